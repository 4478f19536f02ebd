-- Where the time goes, by function. Needs track_functions = pl (or all) for a while.
select f.schemaname || '.' || f.funcname as function, f.calls,
       round((f.total_time / f.calls)::numeric, 3) as ms_per_call,
       round((f.self_time / f.calls)::numeric, 3) as self_ms_per_call
  from pg_stat_user_functions f
 where f.schemaname in ('api', 'chat')
 order by f.total_time desc
 limit 30;
