-- The gateways as all workers of this nginx see them, in a shared dictionary: the list, what was sent, who is shunned.

local SHUN_S = 10
local FIELDS = { "id", "epoch", "host", "port", "state", "connections", "counted" }
local IS_NUMBER = { port = true, connections = true, counted = true }

local shared = ngx.shared.gateways
local version, list, by_id = nil, {}, {}

local gateways = {}

local function encode(gateway)
    local words = {}
    for index, field in ipairs(FIELDS) do
        words[index] = tostring(gateway[field]) .. "\t"
    end
    return table.concat(words)
end

local function decode(line)
    local gateway, index = {}, 0
    for word in string.gmatch(line, "([^\t]*)\t") do
        index = index + 1
        local field = FIELDS[index]
        gateway[field] = IS_NUMBER[field] and tonumber(word) or word
    end
    return gateway
end

-- Give all workers a new list (by id). Returns true, or nil and why the dictionary did not take it.
function gateways.publish(known)
    local lines = {}
    for _, gateway in pairs(known) do
        lines[#lines + 1] = encode(gateway)
    end
    local ok, err = shared:set("list", table.concat(lines, "\n"))
    if not ok then
        return nil, err
    end
    return shared:incr("version", 1, 0)
end

-- Whether the list was asked for at least once, with or without success.
function gateways.is_known()
    return shared:get("version") ~= nil
end

local function refresh()
    local current = shared:get("version")
    if current == version then
        return
    end
    version, list, by_id = current, {}, {}
    for line in string.gmatch(shared:get("list") or "", "[^\n]+") do
        local gateway = decode(line)
        list[#list + 1] = gateway
        by_id[gateway.id] = gateway
    end
end

-- The gateway of this id in whatever state, nil where it is not known.
function gateways.find(id)
    refresh()
    return by_id[id]
end

-- Those that take newcomers and are not in the set `excluded` (by id); the shunned only where no other is left.
function gateways.candidates(excluded)
    refresh()
    local good, shunned = {}, {}
    for _, gateway in ipairs(list) do
        if gateway.state == "up" and not excluded[gateway.id] then
            local into = shared:get("shunned:" .. gateway.host .. ":" .. gateway.port) and shunned or good
            into[#into + 1] = gateway
        end
    end
    return #good > 0 and good or shunned
end

-- How many connections it has, as far as this nginx can tell.
function gateways.load(gateway)
    return gateway.connections + gateways.sent(gateway.id) - gateway.counted
end

-- How many connections this nginx has sent there in all.
function gateways.sent(id)
    return shared:get("sent:" .. id) or 0
end

-- One more is sent there.
function gateways.count(gateway)
    shared:incr("sent:" .. gateway.id, 1, 0)
end

-- No connection could be made to `address` (host:port): no newcomers for 10 s, while others are there.
function gateways.shun(address)
    shared:set("shunned:" .. address, true, SHUN_S)
end

-- It lives again.
function gateways.forgive(gateway)
    shared:delete("shunned:" .. gateway.host .. ":" .. gateway.port)
end

return gateways
