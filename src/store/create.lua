-- Writes a new record with its due time, claims and index entries; if it exists, or a claim is held with another value, writes nothing.
-- KEYS    1 record, 2 due set, then the claims, then the index sets
-- ARGV    1 record, 2 its expiry, 3 due time or '', 4 member for the sets, 5 number of claims,
--         then of each claim: value, expiry; then of each index entry: score, lowest score to keep, expiry of the set
-- Returns {1}: written; {0}: the record exists; {-n, value}: claim n is held with that value
if redis.call('EXISTS', KEYS[1]) == 1 then return { 0 } end
local claims = tonumber(ARGV[5])
for n = 1, claims do
  local held = redis.call('GET', KEYS[2 + n])
  if held and held ~= ARGV[4 + 2 * n] then return { -n, held } end
end
redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[2])
if ARGV[3] ~= '' then redis.call('ZADD', KEYS[2], ARGV[3], ARGV[4]) end
for n = 1, claims do redis.call('SET', KEYS[2 + n], ARGV[4 + 2 * n], 'PXAT', ARGV[5 + 2 * n]) end
for n = 1, #KEYS - 2 - claims do
  local set, at = KEYS[2 + claims + n], 3 + 2 * claims + 3 * n
  redis.call('ZREMRANGEBYSCORE', set, '-inf', '(' .. ARGV[at + 1])
  redis.call('ZADD', set, ARGV[at], ARGV[4])
  if redis.call('PEXPIREAT', set, ARGV[at + 2], 'GT') == 0 then redis.call('PEXPIREAT', set, ARGV[at + 2], 'NX') end
end
return { 1 }
