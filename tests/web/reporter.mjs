// One line of JSON for each test: its name, and what is wrong with it, if anything.

import { inspect } from "node:util";

export default async function* report(events) {
  for await (const { type, data } of events) {
    if (data.nesting !== 0 || (type !== "test:pass" && type !== "test:fail")) continue;
    const error = data.details?.error;
    const problem = type === "test:pass" ? null : inspect(error?.cause ?? error, { colors: false, depth: 6 });
    yield `${JSON.stringify({ name: data.name, problem })}\n`;
  }
}
