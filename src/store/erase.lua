-- Deletes keys, removes members from sorted sets, releases claims that still have the given value, and publishes it.
-- KEYS    the keys to delete, then the sets, then the claims
-- ARGV    1 number of keys to delete, 2 of sets, 3 of members, 4 channel or '', 5 message, then the members, then the
--         value of each claim
-- Returns how many keys and claims were deleted
local keys, sets, members, deleted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), 0
for n = 1, keys do deleted = deleted + redis.call('DEL', KEYS[n]) end
for n = keys + 1, keys + sets do
  for m = 1, members do redis.call('ZREM', KEYS[n], ARGV[5 + m]) end
end
for n = 1, #KEYS - keys - sets do
  local key = KEYS[keys + sets + n]
  if redis.call('GET', key) == ARGV[5 + members + n] then deleted = deleted + redis.call('DEL', key) end
end
if ARGV[4] ~= '' then redis.call('PUBLISH', ARGV[4], ARGV[5]) end
return deleted
