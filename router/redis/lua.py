"""The Lua scripts that keep `user`, `at`, `group` and `held` in step, and the lease of a gateway with one holder.

Laws: every script is idempotent, for a caller that lost an answer runs it again; none deletes what a living gateway
holds, except for that gateway itself. Keys are computed inside, so one server (with replicas) holds them all. The first
of ARGV is the deployment's prefix (keys.py): the scripts are the same for everybody, and so is their SHA-1.
"""

from __future__ import annotations

_LISTS = """
local function has(list, address)
  return string.find(' ' .. list .. ' ', ' ' .. address .. ' ', 1, true) ~= nil
end
local function add(key, address)
  local list = redis.call('GET', key)
  if not list or list == '' then redis.call('SET', key, address)
  elseif not has(list, address) then redis.call('SET', key, list .. ' ' .. address) end
end
local function remove(key, address)
  local list = redis.call('GET', key)
  if not list or not has(list, address) then return end
  local rest = {}
  for one in string.gmatch(list, '%S+') do
    if one ~= address then rest[#rest + 1] = one end
  end
  if #rest == 0 then redis.call('DEL', key) else redis.call('SET', key, table.concat(rest, ' ')) end
end
local function starts(text, prefix)
  return string.sub(text, 1, #prefix) == prefix
end
"""

_RELEASE = """
local users, held = ARGV[1] .. ':user:', ARGV[1] .. ':held:'
local function release(name, address)
  if starts(name, users) then
    for _, field in ipairs(redis.call('HKEYS', name)) do
      if starts(field, address .. '#') then redis.call('HDEL', name, field) end
    end
    remove(ARGV[1] .. ':at:' .. string.sub(name, #users + 1), address)
  else
    remove(name, address)
  end
  redis.call('SREM', held .. address, name)
end
"""

_LIVES = """
local function lives(gateway, epoch)
  local lease = redis.call('GET', ARGV[1] .. ':gateway:' .. gateway)
  return lease and cjson.decode(lease).epoch == epoch
end
"""

_ALIVE = """
local alive_by_address = {}
local function is_alive(field)
  local address = string.match(field, '^(.*)#')
  if alive_by_address[address] == nil then
    alive_by_address[address] = lives(string.match(address, '^(.*)%.([^.]*)$')) or false
  end
  return alive_by_address[address]
end
"""

LOGIN = (
    _LISTS
    + _LIVES
    + _ALIVE
    + """
-- KEYS: user, at, held. ARGV: prefix, address, field, route, how many others at most (0: any number).
local address, field, at_most = ARGV[2], ARGV[3], tonumber(ARGV[5])
local route = cjson.decode(ARGV[4])
local connections, others = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #connections, 2 do
  if connections[i] ~= field then
    local known = cjson.decode(connections[i + 1])
    route.login = math.max(route.login, known.login + 1)
    if route.slot == '' or known.slot ~= route.slot then others[#others + 1] = {connections[i], known.slot or ''} end
  end
end
-- Of a slot the last one stays: those before it have lost, and perhaps not heard of it yet.
if at_most > 0 and #others >= at_most then
  local living, counted = 0, {}
  for _, other in ipairs(others) do
    local name, slot = other[1], other[2]
    if not counted[slot] and (starts(name, address .. '#') or is_alive(name)) then
      living = living + 1
      if slot ~= '' then counted[slot] = true end
    end
  end
  if living >= at_most then return -1 end
end
redis.call('HSET', KEYS[1], field, cjson.encode(route))
add(KEYS[2], address)
redis.call('SADD', KEYS[3], KEYS[1])
return route.login
"""
)
"""Note a new connection of a user with a login above all others of that user; the login, -1 where they are too many.
Logins are ms since 1970 or little more: cjson writes 14 digits."""

RIVALS = (
    _LISTS
    + _LIVES
    + _ALIVE
    + """
-- KEYS: users. ARGV: prefix, address. The key, field and value of each connection at another address that lives.
local found = {}
for _, key in ipairs(KEYS) do
  local connections = redis.call('HGETALL', key)
  for i = 1, #connections, 2 do
    if not starts(connections[i], ARGV[2] .. '#') and is_alive(connections[i]) then
      found[#found + 1] = key
      found[#found + 1] = connections[i]
      found[#found + 1] = connections[i + 1]
    end
  end
end
return found
"""
)

REGISTER = (
    _LISTS
    + """
-- KEYS: user, at, held. ARGV: prefix, address, then field and value of each connection.
local address = ARGV[2]
local wanted = {}
for i = 3, #ARGV, 2 do wanted[ARGV[i]] = true end
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if starts(field, address .. '#') and not wanted[field] then redis.call('HDEL', KEYS[1], field) end
end
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
add(KEYS[2], address)
redis.call('SADD', KEYS[3], KEYS[1])
return 1
"""
)
"""Note a user's connections at an address: these and no others."""

UNREGISTER = (
    _LISTS
    + """
-- KEYS: user, at, held. ARGV: prefix, address, field.
local address = ARGV[2]
redis.call('HDEL', KEYS[1], ARGV[3])
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if starts(field, address .. '#') then return 0 end
end
remove(KEYS[2], address)
redis.call('SREM', KEYS[3], KEYS[1])
return 1
"""
)
"""Delete one connection, and the address with the last of that user there."""

ENTER = (
    _LISTS
    + """
-- KEYS: held, then groups. ARGV: prefix, address.
for i = 2, #KEYS do
  add(KEYS[i], ARGV[2])
  redis.call('SADD', KEYS[1], KEYS[i])
end
return #KEYS - 1
"""
)
"""The address holds a member of each group."""

RELEASE = (
    _LISTS
    + _RELEASE
    + """
-- ARGV: prefix, address, then names. For the gateway itself.
for i = 3, #ARGV do release(ARGV[i], ARGV[2]) end
return #ARGV - 2
"""
)
"""The address holds these names no more."""

FORGET = (
    _LISTS
    + _RELEASE
    + _LIVES
    + """
-- ARGV: prefix, address, gateway, epoch, then names. For others, so never a living gateway's.
if lives(ARGV[3], ARGV[4]) then return -1 end
for i = 5, #ARGV do release(ARGV[i], ARGV[2]) end
return #ARGV - 4
"""
)
"""Delete what a dead gateway left under these names; -1 where it lives."""

SWEEP = (
    _LISTS
    + _RELEASE
    + _LIVES
    + """
-- ARGV: prefix, address, gateway, epoch, how many at once.
local address = ARGV[2]
if lives(ARGV[3], ARGV[4]) then return -1 end
for _, name in ipairs(redis.call('SRANDMEMBER', held .. address, ARGV[5])) do release(name, address) end
local left = redis.call('SCARD', held .. address)
if left == 0 then redis.call('SREM', ARGV[1] .. ':gateways', address) end
return left
"""
)
"""Delete a part of all that a dead gateway left; how many names are left, -1 where it lives."""

CLAIM = """
-- ARGV: prefix, gateway, epoch, lease (JSON), ms. The lease that stood there ('' for none), and for how many ms the one
-- that stands there now still does.
local key = ARGV[1] .. ':gateway:' .. ARGV[2]
local found = redis.call('GET', key)
if not found or cjson.decode(found).epoch == ARGV[3] then redis.call('SET', key, ARGV[4], 'PX', ARGV[5]) end
return {found or '', redis.call('PTTL', key)}
"""
"""Take the lease of a gateway, or renew it. The lease of another life stays as it is."""

RESIGN = (
    _LIVES
    + """
-- ARGV: prefix, gateway, epoch.
if lives(ARGV[2], ARGV[3]) then return redis.call('DEL', ARGV[1] .. ':gateway:' .. ARGV[2]) end
return 0
"""
)
"""Give a lease up, unless the next life of the gateway has it already."""

LIVE_GATEWAYS = """
-- ARGV: prefix. The leases of all gateways that live, JSON.
local seen, leases = {}, {}
for _, address in ipairs(redis.call('SMEMBERS', ARGV[1] .. ':gateways')) do
  local gateway = string.match(address, '^(.*)%.')
  if gateway and not seen[gateway] then
    seen[gateway] = true
    local lease = redis.call('GET', ARGV[1] .. ':gateway:' .. gateway)
    if lease then leases[#leases + 1] = lease end
  end
end
return leases
"""

ANNOUNCE_WORKER = """
-- ARGV: prefix, worker, epoch, ms.
redis.call('SET', ARGV[1] .. ':worker:' .. ARGV[2], ARGV[3], 'PX', ARGV[4])
return redis.call('SADD', ARGV[1] .. ':workers', ARGV[2])
"""

LIVE_WORKERS = """
-- ARGV: prefix. The names of the workers that live; the others are struck off.
local workers, alive = ARGV[1] .. ':workers', {}
for _, name in ipairs(redis.call('SMEMBERS', workers)) do
  if redis.call('EXISTS', ARGV[1] .. ':worker:' .. name) == 1 then alive[#alive + 1] = name
  else redis.call('SREM', workers, name) end
end
return alive
"""

WITHDRAW_WORKER = """
-- ARGV: prefix, worker, epoch. A later life of the same name stays announced.
local key = ARGV[1] .. ':worker:' .. ARGV[2]
if redis.call('GET', key) ~= ARGV[3] then return 0 end
redis.call('SREM', ARGV[1] .. ':workers', ARGV[2])
return redis.call('DEL', key)
"""
