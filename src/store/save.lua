-- Replaces a record that still begins with the given mark, moves its due time, claims and index entries, and announces it; or does nothing.
-- KEYS    1 record, 2 due set, then the claims to take, the claims to release, the index sets
-- ARGV    1 mark, 2 record, 3 its expiry, 4 due time or '', 5 member for the sets, 6 channel, 7 announcement,
--         8 number of claims, 9 number of releases, then of each claim: value, expiry; of each release: value;
--         of each index entry: score, lowest score to keep, expiry of the set
-- Returns {1}: written; {0}: the record begins otherwise or is gone; {-n, value}: claim n is held with that other value
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then return { 0 } end
local claims, releases = tonumber(ARGV[8]), tonumber(ARGV[9])
for n = 1, claims do
  local held = redis.call('GET', KEYS[2 + n])
  if held and held ~= ARGV[8 + 2 * n] then return { -n, held } end
end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
if ARGV[4] == '' then redis.call('ZREM', KEYS[2], ARGV[5]) else redis.call('ZADD', KEYS[2], ARGV[4], ARGV[5]) end
for n = 1, claims do redis.call('SET', KEYS[2 + n], ARGV[8 + 2 * n], 'PXAT', ARGV[9 + 2 * n]) end
for n = 1, releases do
  local key = KEYS[2 + claims + n]
  if redis.call('GET', key) == ARGV[9 + 2 * claims + n] then redis.call('DEL', key) end
end
for n = 1, #KEYS - 2 - claims - releases do
  local set, at = KEYS[2 + claims + releases + n], 7 + 2 * claims + releases + 3 * n
  redis.call('ZREMRANGEBYSCORE', set, '-inf', '(' .. ARGV[at + 1])
  redis.call('ZADD', set, ARGV[at], ARGV[5])
  if redis.call('PEXPIREAT', set, ARGV[at + 2], 'GT') == 0 then redis.call('PEXPIREAT', set, ARGV[at + 2], 'NX') end
end
redis.call('PUBLISH', ARGV[6], ARGV[7])
return { 1 }
