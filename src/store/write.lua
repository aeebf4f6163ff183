-- Writes a record with its due time, claims, counters and index entries, and others that come with it, and announces it; or does nothing at all.
-- KEYS    1 record, 2 due set, then the claims to take, the claims to release, the counters, the index sets, the sets to leave,
--         the records that come with it
-- ARGV    1 what the record begins with now, '' if it must not exist, 2 record, 3 its expiry, 4 due time or '', 5 member for the sets,
--         6 channel or '', 7 announcement, 8 number of claims, 9 of releases, 10 of counters, 11 of index sets, 12 of sets to leave;
--         then of each claim: value, expiry; of each release: value; of each counter: what to add, below what it must be or '', expiry if
--         it begins now; of each index entry: member, score, lowest score to keep, expiry of the set; of each record: record, expiry,
--         due time, member
-- Returns {1}: written; {0}: the record is another one; {-n, value}: claim n is held with that value;
--         {-claims - n, milliseconds}: counter n is full for so long
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
  local key, add, bound, expiry = KEYS[2 + claims + releases + n], take(), take(), take()
  local count = redis.call('GET', key)
  if bound ~= '' and tonumber(count or 0) >= tonumber(bound) then return { -claims - n, tostring(math.max(0, redis.call('PTTL', key))) } end
  if add ~= '0' then table.insert(writes, count and { 'INCRBY', key, add } or { 'SET', key, add, 'PXAT', expiry }) end
end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
if ARGV[4] == '' then redis.call('ZREM', KEYS[2], ARGV[5]) else redis.call('ZADD', KEYS[2], ARGV[4], ARGV[5]) end
for _, write in ipairs(writes) do redis.call(unpack(write)) end
local indexes = 2 + claims + releases + counters
local leaves = indexes + tonumber(ARGV[11])
local others = leaves + tonumber(ARGV[12])
for n = indexes + 1, leaves do
  local set, member, score, oldest, expiry = KEYS[n], take(), take(), take(), take()
  redis.call('ZADD', set, score, member)
  -- Most sets are new, and have nothing to drop.
  if redis.call('PEXPIREAT', set, expiry, 'NX') == 0 and redis.call('PEXPIREAT', set, expiry, 'GT') == 1 then
    redis.call('ZREMRANGEBYSCORE', set, '-inf', '(' .. oldest)
  end
end
for n = leaves + 1, others do redis.call('ZREM', KEYS[n], ARGV[5]) end
for n = others + 1, #KEYS do
  local record, expiry, due, member = take(), take(), take(), take()
  redis.call('SET', KEYS[n], record, 'PXAT', expiry)
  redis.call('ZADD', KEYS[2], due, member)
end
if ARGV[6] ~= '' then redis.call('PUBLISH', ARGV[6], ARGV[7]) end
return { 1 }
