-- What the scripts share. A table is a string of entries: field, value, expiry in ms since the epoch; the lengths of
-- field and value are one byte each. An operation has six arguments: number of its table, kind, field, value, expiry,
-- limit. The kinds:
--   claim    the entry must not exist or have this value; then it has the value until the expiry
--   list     the same for an entry without a value; the oldest ones of a long table move to a sorted set, by expiry;
--            the limit is the place of the set, counted from the end of KEYS
--   release  removes the entry, if it has this value
--   count    adds the value to the entry, which must be less than the limit, or ''; the first addition sets the expiry
local entry_format = '>Bc0Bc0I6'
local max_listed = 32

local function read_table (text, now)
  local entries, at = {}, 1
  while text and at <= #text do
    local field, value, expiry
    field, value, expiry, at = struct.unpack(entry_format, text, at)
    if expiry > now then table.insert(entries, { field = field, value = value, expiry = expiry }) end
  end
  return entries
end

local function write_table (key, entries)
  local texts, last = {}, 0
  for n, entry in ipairs(entries) do
    texts[n] = struct.pack(entry_format, #entry.field, entry.field, #entry.value, entry.value, entry.expiry)
    last = math.max(last, entry.expiry)
  end
  if last == 0 then redis.call('DEL', key) else redis.call('SET', key, table.concat(texts), 'PXAT', last) end
end

-- Changes the entries; returns what refuses the operation, and whether it changed something.
local function operate (entries, now, kind, field, value, expiry, limit)
  local entry, place
  for n, each in ipairs(entries) do
    if each.field == field then entry, place = each, n end
  end
  if kind == 'release' then
    if not entry or entry.value ~= value then return nil, false end
    table.remove(entries, place)
    return nil, true
  end
  if kind == 'count' then
    local count, add = tonumber(entry and entry.value or 0), tonumber(value)
    if limit ~= '' and count >= tonumber(limit) then return string.format('%d', entry and entry.expiry - now or 0) end
    if add == 0 or (not entry and add < 0) then return nil, false end
    value, expiry = string.format('%d', count + add), entry and entry.expiry or tonumber(expiry)
  elseif entry and entry.value ~= value then
    return entry.value
  end
  if not entry then
    entry = { field = field }
    table.insert(entries, entry)
  end
  entry.value, entry.expiry = value, tonumber(expiry)
  return nil, true
end

-- Performs the operations of ARGV after `last`, on tables with these texts. Returns the number of the operation that is
-- refused and its detail, or nil and the changed tables by number. Writes nothing.
local function operate_all (texts, count, last, now)
  local tables, changed = {}, {}
  for n = 1, count do
    local at = last + 6 * (n - 1)
    local number, kind, limit = tonumber(ARGV[at + 1]), ARGV[at + 2], ARGV[at + 6]
    local entries = tables[number] or read_table(texts[number], now)
    tables[number] = entries
    local detail, has_changed = operate(entries, now, kind, ARGV[at + 3], ARGV[at + 4], ARGV[at + 5], limit)
    if detail then return n, detail end
    if has_changed then changed[number] = entries end
    if kind == 'list' then entries.set = KEYS[#KEYS + 1 - tonumber(limit)] end
  end
  return nil, changed
end

local function move_listed (entries)
  local listed = {}
  for place, entry in ipairs(entries) do
    if entry.value == '' then table.insert(listed, place) end
  end
  for n = #listed - max_listed, 1, -1 do
    local entry = table.remove(entries, listed[n])
    redis.call('ZADD', entries.set, entry.expiry, entry.field)
    if redis.call('PEXPIREAT', entries.set, entry.expiry, 'NX') == 0 then
      redis.call('PEXPIREAT', entries.set, entry.expiry, 'GT')
    end
  end
end

local function write_tables (changed, keys)
  for number, entries in pairs(changed) do
    if entries.set then move_listed(entries) end
    write_table(keys[number], entries)
  end
end
