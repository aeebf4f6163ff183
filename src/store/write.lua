-- Writes a record with its due time, operations on tables, index entries and siblings, and publishes it; or does
-- nothing.
-- KEYS    1 record, then: tables, due set, indexes, indexes to leave, siblings, sets of long tables
-- ARGV    1 what the record must start with, '' if it must not exist, 2 record, 3 its expiry, 4 due time or '',
--         5 member of the sets, 6 channel or '', 7 message, 8 the present time (ms since the epoch), 9 number of
--         tables, 10 of operations, 11 of indexes, 12 of indexes to leave, 13 of siblings; then
--         of each operation: six arguments, see tables.lua; of each index: member, score;
--         of each sibling: record, expiry, due time, member
-- Returns {1}: written; {0}: the record is a different one; {-n, value}: operation n is a claim of an entry with that
--         value; {-n, ms}: it is a count of an entry that is not below the limit, and expires in ms
local expected, member, tables, operations = ARGV[1], ARGV[5], tonumber(ARGV[9]), tonumber(ARGV[10])
local keys = { unpack(KEYS, 1, 1 + tables) }
local texts = redis.call('MGET', unpack(keys))
local record = table.remove(texts, 1)
if expected == '' then
  if record then return { 0 } end
elseif not record or string.sub(record, 1, #expected) ~= expected then
  return { 0 }
end
table.remove(keys, 1)
local refused, result = operate_all(texts, operations, 13, tonumber(ARGV[8]))
if refused then return { -refused, result } end
write_tables(result, keys)

local last, key = 13 + 6 * operations, 2 + tables
local function take ()
  last = last + 1
  return ARGV[last]
end
local function take_key ()
  key = key + 1
  return KEYS[key]
end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
for _ = 1, tonumber(ARGV[11]) do
  local entry, score = take(), take()
  redis.call('ZADD', take_key(), score, entry)
end
for _ = 1, tonumber(ARGV[12]) do redis.call('ZREM', take_key(), member) end
local due = {}
for _ = 1, tonumber(ARGV[13]) do
  redis.call('SET', take_key(), take(), 'PXAT', take())
  table.insert(due, take())
  table.insert(due, take())
end
local due_set = KEYS[2 + tables]
if ARGV[4] == '' then redis.call('ZREM', due_set, member)
else
  table.insert(due, ARGV[4])
  table.insert(due, member)
end
if #due > 0 then redis.call('ZADD', due_set, unpack(due)) end
if ARGV[6] ~= '' then redis.call('PUBLISH', ARGV[6], ARGV[7]) end
return { 1 }
