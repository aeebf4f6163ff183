-- Deletes keys, removes members and old entries from sorted sets, performs operations on tables, and publishes it.
-- KEYS    the keys to delete, then the due set, the other sets, and the tables
-- ARGV    1 number of keys to delete, 2 of sets besides the due set, 3 of members, 4 of operations, 5 the present time
--         (ms since the epoch), 6 channel, 7 message; then six arguments of each operation, see tables.lua; then the
--         members; then for each set besides the due set the lowest score to keep
local keys, sets, members, operations = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local first = 8 + 6 * operations
redis.call('DEL', unpack(KEYS, 1, keys))
for n = 0, sets do
  local set = KEYS[keys + 1 + n]
  redis.call('ZREM', set, unpack(ARGV, first, first + members - 1))
  if n > 0 then redis.call('ZREMRANGEBYSCORE', set, '-inf', '(' .. ARGV[first + members - 1 + n]) end
end
if operations > 0 then
  local tables = { unpack(KEYS, keys + sets + 2) }
  local _, changed = operate_all(redis.call('MGET', unpack(tables)), operations, 7, tonumber(ARGV[5]))
  write_tables(changed, tables)
end
redis.call('PUBLISH', ARGV[6], ARGV[7])
