-- Deletes keys, takes a member out of sorted sets, releases claims that still hold the given value, and announces it.
-- KEYS    the keys to delete, then the sets, then the claims
-- ARGV    1 number of keys to delete, 2 number of sets, 3 member, 4 channel or '' for none, 5 announcement, then the value of each claim
-- Returns how many keys and claims were deleted
local keys, sets, deleted = tonumber(ARGV[1]), tonumber(ARGV[2]), 0
for n = 1, keys do deleted = deleted + redis.call('DEL', KEYS[n]) end
for n = keys + 1, keys + sets do redis.call('ZREM', KEYS[n], ARGV[3]) end
for n = 1, #KEYS - keys - sets do
  local key = KEYS[keys + sets + n]
  if redis.call('GET', key) == ARGV[5 + n] then deleted = deleted + redis.call('DEL', key) end
end
if ARGV[4] ~= '' then redis.call('PUBLISH', ARGV[4], ARGV[5]) end
return deleted
