-- Writes a record with its due time, claims, counters, index entries and siblings, and publishes it. Or does nothing.
-- KEYS    1 record, 2 due set, then: claims to take, claims to release, counters, indexes, indexes to leave, siblings
-- ARGV    1 what the record must start with, '' if it must not exist, 2 record, 3 its expiry, 4 due time or '',
--         5 member of the sets, 6 channel or '', 7 message, 8 number of claims, 9 of releases, 10 of counters,
--         11 of index entries, 12 of indexes to leave; then
--         of each claim: value, expiry; of each release: value;
--         of each counter: what to add, what it must be below or '', expiry of a new counter;
--         of each index entry: member, score, lowest score to keep, expiry of the index;
--         of each sibling: record, expiry, due time, member
-- Returns {1}: written; {0}: the record is a different one; {-n, value}: claim n has that value;
--         {-claims - n, ms}: counter n is not below its limit and expires in ms
local last = 12
local function take ()
  last = last + 1
  return ARGV[last]
end
if ARGV[1] == '' then
  if redis.call('EXISTS', KEYS[1]) == 1 then return { 0 } end
elseif redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then
  return { 0 }
end
local claims, releases, counters = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local writes = {}
for n = 1, claims do
  local key, value, expiry = KEYS[2 + n], take(), take()
  local held = redis.call('GET', key)
  if held and held ~= value then return { -n, held } end
  table.insert(writes, { 'SET', key, value, 'PXAT', expiry })
end
for n = 1, releases do
  local key = KEYS[2 + claims + n]
  if redis.call('GET', key) == take() then table.insert(writes, { 'DEL', key }) end
end
for n = 1, counters do
  local key, add, limit, expiry = KEYS[2 + claims + releases + n], take(), take(), take()
  local count = redis.call('GET', key)
  if limit ~= '' and tonumber(count or 0) >= tonumber(limit) then
    return { -claims - n, tostring(math.max(0, redis.call('PTTL', key))) }
  end
  if count and add ~= '0' then table.insert(writes, { 'INCRBY', key, add })
  elseif tonumber(add) > 0 then table.insert(writes, { 'SET', key, add, 'PXAT', expiry }) end
end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
if ARGV[4] == '' then redis.call('ZREM', KEYS[2], ARGV[5]) else redis.call('ZADD', KEYS[2], ARGV[4], ARGV[5]) end
for _, write in ipairs(writes) do redis.call(unpack(write)) end
local before_indexes = 2 + claims + releases + counters
local before_leaves = before_indexes + tonumber(ARGV[11])
local before_siblings = before_leaves + tonumber(ARGV[12])
for n = before_indexes + 1, before_leaves do
  local set, member, score, lowest, expiry = KEYS[n], take(), take(), take(), take()
  redis.call('ZADD', set, score, member)
  -- Most indexes are new, and have no old entries.
  if redis.call('PEXPIREAT', set, expiry, 'NX') == 0 and redis.call('PEXPIREAT', set, expiry, 'GT') == 1 then
    redis.call('ZREMRANGEBYSCORE', set, '-inf', '(' .. lowest)
  end
end
for n = before_leaves + 1, before_siblings do redis.call('ZREM', KEYS[n], ARGV[5]) end
for n = before_siblings + 1, #KEYS do
  local record, expiry, due, member = take(), take(), take(), take()
  redis.call('SET', KEYS[n], record, 'PXAT', expiry)
  redis.call('ZADD', KEYS[2], due, member)
end
if ARGV[6] ~= '' then redis.call('PUBLISH', ARGV[6], ARGV[7]) end
return { 1 }
