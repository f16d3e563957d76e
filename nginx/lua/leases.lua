-- The leases of the gateways, as Redis has them: the set `{prefix}:gateways` and `{prefix}:gateway:{id}` (router/redis/keys.py,
-- router/redis/records.py).
--
-- Law: one question, one answer. Redis itself reads the JSON of the leases, so that no JSON library is needed here.

local redis_client = require("redis_client")

local TIMEOUT_MS = 500
local IDLE_MS = 10000

local SCRIPT = [[
-- ARGV: prefix.
local found, seen = {}, {}
for _, address in ipairs(redis.call('SMEMBERS', ARGV[1] .. ':gateways')) do
  local id = string.match(address, '^(.+)%.[^.]*$')
  if id and not seen[id] then
    seen[id] = true
    local key = ARGV[1] .. ':gateway:' .. id
    local is_json, lease = pcall(cjson.decode, redis.call('GET', key) or '')
    if is_json and type(lease) == 'table' then
      found[#found + 1] = {
        id, tostring(lease.epoch), tostring(lease.host), tonumber(lease.port) or 0, tostring(lease.state),
        tonumber(lease.connections) or 0, redis.call('PTTL', key)
      }
    end
  end
end
return found
]]

local leases = {}

local function connect(settings)
    local connection = redis_client:new()
    connection:set_timeout(TIMEOUT_MS)
    local ok, err = connection:connect(settings.host, settings.port)
    if not ok then
        return nil, err
    end
    if settings.password ~= "" and connection:get_reused_times() == 0 then
        ok, err = connection:auth(settings.password)
        if not ok then
            connection:close()
            return nil, err
        end
    end
    return connection
end

-- A lease that can be used, from its row; nil for one that names no address.
local function lease_of(row)
    local host, port = row[3], tonumber(row[4])
    if not string.find(host, "^[%x.:]+$") or port < 1 or port > 65535 then
        return nil
    end
    if string.find(host, ":", 1, true) then
        host = "[" .. host .. "]"  -- as nginx writes and wants IPv6
    end
    return {
        id = row[1], epoch = row[2], host = host, port = port, state = row[5],
        connections = tonumber(row[6]), ttl_ms = tonumber(row[7]),
    }
end

-- {id, epoch, host, port, state, connections, ttl_ms} of each gateway that lives, by id; or nil and why Redis does not answer.
function leases.read(settings)
    local connection, err = connect(settings)
    if not connection then
        return nil, err
    end
    local rows
    rows, err = connection:eval(SCRIPT, 0, settings.prefix)
    if not rows then
        connection:close()
        return nil, err
    end
    connection:set_keepalive(IDLE_MS, 1)
    local found = {}
    for _, row in ipairs(rows) do
        found[row[1]] = lease_of(row)
    end
    return found
end

return leases
