// Draws /openapi.json. Everything read from it or answered goes in as text, never as markup.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];

/** Make an element: h("a", {href: "#x"}, "text", child, ...). */
function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child != null));
  return element;
}

/** Text in which `this` is code. */
function prose(text) {
  return String(text ?? "").split("`").map((part, n) => (n % 2 ? h("code", {}, part) : part));
}

function typeName(schema = {}) {
  const names = [schema.type].flat().filter((name) => name && name !== "null");
  const name = names.join(" or ") || "any JSON";
  if (name === "array") return `array of ${typeName(schema.items)}`;
  return schema.format && schema.format !== "int32" ? `${name} (${schema.format})` : name;
}

function table(heads, rows) {
  return h("table", {},
    h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
    h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell) => h("td", {}, cell))))));
}

function bodyOf(operation) {
  return operation.requestBody?.content["application/json"];
}

function argumentsOf(operation) {
  const rows = (operation.parameters ?? []).map((one) => [
    h("code", {}, one.name), one.in, typeName(one.schema), one.required ? "required" : "optional",
  ]);
  const body = bodyOf(operation)?.schema ?? { properties: {} };
  for (const [name, schema] of Object.entries(body.properties)) {
    const required = body.required?.includes(name);
    rows.push([h("code", {}, name), "body", typeName(schema), required ? "required" : "optional"]);
  }
  return rows;
}

function curl(method, path, operation) {
  const example = bodyOf(operation)?.example;
  const lines = [`curl -X ${method.toUpperCase()} ${location.origin}${path}`,
    '  -H "Authorization: Bearer $token"'];
  if (example) {
    const quoted = JSON.stringify(example).replaceAll("'", "'\\''");
    lines.push('  -H "Content-Type: application/json"', `  -d '${quoted}'`);
  }
  return lines.join(" \\\n");
}

function tryForm(method, path, operation) {
  const inputs = new Map();
  const fields = operation.parameters.map((one) => {
    const input = h("input", { name: one.name, required: one.required, autocomplete: "off" });
    inputs.set(one, input);
    return h("label", {}, h("code", {}, one.name), input);
  });
  const example = bodyOf(operation)?.example;
  const body = example ? h("textarea", { "aria-label": "body", spellcheck: "false" }) : null;
  if (body) body.value = JSON.stringify(example, null, 2);
  const answer = h("pre", { hidden: true, "aria-live": "polite" });
  const form = h("form", {}, fields, body, h("button", {}, "Send"), answer);

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const headers = {};
    const query = new URLSearchParams();
    let target = path;
    const token = document.getElementById("token").value.trim();
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body) headers["Content-Type"] = "application/json";
    for (const [one, input] of inputs) {
      if (!input.value) continue;
      if (one.in === "path") target = target.replace(`{${one.name}}`, encodeURIComponent(input.value));
      else if (one.in === "query") query.set(one.name, input.value);
      else headers[one.name] = input.value;
    }
    answer.hidden = false;
    answer.className = "";
    answer.textContent = "…";
    try {
      const url = query.size ? `${target}?${query}` : target;
      const began = performance.now();
      const response = await fetch(url, {
        method: method.toUpperCase(), headers, body: body ? body.value : undefined,
      });
      const text = await response.text();
      const took = Math.round(performance.now() - began);
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: as it came */ }
      answer.className = response.ok ? "" : "wrong";
      answer.textContent = `${response.status} ${response.statusText}  ${took} ms\n\n${shown}`;
    } catch (error) {
      answer.className = "wrong";
      answer.textContent = String(error);
    }
  });
  return form;
}

function statuses(operation) {
  return table(["Status", "Codes and meaning"], Object.entries(operation.responses)
    .sort(([one], [other]) => one - other)
    .map(([status, response]) => [h("code", {}, status), h("span", {}, prose(response.description))]));
}

function drawOperation(method, path, operation) {
  const rows = argumentsOf(operation);
  const inside = h("div", { class: "inside" });
  const details = h("details", { id: operation.operationId },
    h("summary", {},
      h("span", { class: `method ${method}` }, method.toUpperCase()),
      h("span", { class: "path" }, path),
      operation["x-service"] ? h("span", { class: "badge" }, "service token") : null,
      h("span", { class: "about" }, prose(operation.summary))),
    inside);
  // Drawn when first opened: a hundred forms nobody looks at make a page slow.
  details.addEventListener("toggle", () => {
    if (inside.childElementCount) return;
    const called = operation["x-function"];
    inside.append(
      h("p", {}, called ? ["Calls ", h("code", {}, `api.${called}`), "."] : prose(operation.description)),
      ...(rows.length ? [h("h3", {}, "Arguments"), table(["Name", "In", "Type", ""], rows)] : []),
      h("h3", {}, "Example"), h("pre", {}, curl(method, path, operation)),
      h("h3", {}, "Answers"), statuses(operation));
    // What stays open has no answer to show.
    if (called) inside.append(h("h3", {}, "Try it"), tryForm(method, path, operation));
  });
  return details;
}

function drawCodes(codes) {
  return [h("h2", { id: "error-codes" }, "Error codes"),
    table(["Code", "Status", "Again?", "Meaning"], codes.map((one) => [
      h("code", {}, one.code), String(one.status), one.retryable ? "yes" : "no", one.meaning,
    ]))];
}

function draw(api) {
  document.getElementById("version").textContent = api.info.version;
  const main = document.getElementById("main");
  const contents = document.getElementById("contents");
  main.append(h("p", {}, prose(api.info.description)));
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((name) => name in methods)) {
      const operation = methods[method];
      const tag = operation.tags[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push([method, path, operation]);
    }
  }
  for (const [tag, operations] of groups) {
    main.append(h("h2", { id: `group-${tag}` }, tag === "rpc" ? "Functions by name" : tag));
    contents.append(h("strong", {}, tag));
    for (const [method, path, operation] of operations) {
      main.append(drawOperation(method, path, operation));
      contents.append(h("a", { href: `#${operation.operationId}` },
        h("span", { class: `method ${method}` }, method.toUpperCase()), ` ${path}`));
    }
  }
  main.append(...drawCodes(api["x-error-codes"]));
  contents.append(h("strong", {}, "More"), h("a", { href: "#error-codes" }, "Error codes"),
    h("a", { href: "/openapi.json" }, "openapi.json"));
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.tagName === "DETAILS") target.open = true;
  target.scrollIntoView();
}

function filter(text) {
  for (const link of document.querySelectorAll("#contents a")) {
    link.hidden = !link.textContent.toLowerCase().includes(text.trim().toLowerCase());
  }
}

async function start() {
  const response = await fetch("/openapi.json");
  const api = await response.json();
  if (!response.ok) throw new Error(api.message);
  draw(api);
  openTarget();
  window.addEventListener("hashchange", openTarget);
  document.getElementById("filter").addEventListener("input", (event) => filter(event.target.value));
}

start().catch((error) => {
  document.getElementById("main").append(
    h("p", { class: "wrong" }, `The reference cannot be drawn now: ${error.message}`));
});
