-- How big each table is, how much of it is dead, and how many updates stayed on their page (HOT): for the hot
-- tables (conversations, members) that share should be near 100 %.
select s.relname as table_name,
       pg_size_pretty(pg_total_relation_size(s.relid)) as total_size,
       s.n_live_tup as live_rows,
       s.n_dead_tup as dead_rows,
       round(100.0 * s.n_tup_hot_upd / nullif(s.n_tup_upd, 0), 1) as hot_update_percent,
       s.last_autovacuum
  from pg_stat_user_tables s
 where s.schemaname = 'chat'
 order by pg_total_relation_size(s.relid) desc;
