-- Which gateway a request goes to: the phases `access` (may refuse) and `balancer` (names the peer, again when it fails).
--
-- Laws:
-- - A newcomer (WebSocket, /poll/open) goes to the less loaded of two gateways picked at random, a call to any one.
-- - A poll goes to the gateway that holds its session and to no other.
-- - Another gateway is tried only by what nginx itself allows: a request that was sent is not sent again unless it is a GET.

local balancer = require("ngx.balancer")
local gateways = require("gateways")

local MORE_TRIES = 2
local NONE = {}

local routing = {}

local function lesser_of_two(candidates)
    local first = math.random(#candidates)
    local second = math.random(#candidates - 1)
    if second >= first then
        second = second + 1
    end
    local one, other = candidates[first], candidates[second]
    return gateways.load(other) < gateways.load(one) and other or one
end

-- For a connection that stays: one of `candidates`.
local function for_connection(candidates)
    local chosen = #candidates > 1 and lesser_of_two(candidates) or candidates[1]
    gateways.count(chosen)
    return chosen
end

-- For one request: any of `candidates`.
local function for_call(candidates)
    return candidates[math.random(#candidates)]
end

local function route(choose)
    local candidates = gateways.candidates(NONE)
    if #candidates == 0 then
        ngx.exit(ngx.HTTP_SERVICE_UNAVAILABLE)
        return true
    end
    local ctx = ngx.ctx
    ctx.choose, ctx.tried, ctx.left = choose, {}, math.min(MORE_TRIES, #candidates - 1)
    return true
end

-- access phase of what opens a connection: 503 where no gateway takes newcomers.
function routing.connection()
    return route(for_connection)
end

-- access phase of a single request: 503 where no gateway takes newcomers.
function routing.call()
    return route(for_call)
end

-- access phase of a poll: 410 where nobody holds the session. Its id is `{gateway}.{random}`. Any gateway says that one
-- is missing.
function routing.poll()
    local session = ngx.var.arg_session
    if not session or session == "" then
        return routing.call()
    end
    local id = string.match(ngx.unescape_uri(session), "^(.+)%.[^.]*$")
    local owner = id and gateways.find(id)
    if not owner then
        ngx.exit(ngx.HTTP_GONE)
        return true
    end
    ngx.ctx.owner = owner
    return true
end

local function next_peer(ctx)
    if ctx.owner then
        return ctx.owner
    end
    if ctx.peer then
        gateways.shun(ctx.peer.host .. ":" .. ctx.peer.port)
    elseif ctx.left > 0 then
        balancer.set_more_tries(ctx.left)
    end
    local candidates = gateways.candidates(ctx.tried)
    if #candidates == 0 then
        return nil, "no other gateway takes newcomers"
    end
    ctx.peer = ctx.choose(candidates)
    ctx.tried[ctx.peer.id] = true
    return ctx.peer
end

-- balancer phase. Returns true, or nil and why there is no peer.
function routing.balance()
    local peer, err = next_peer(ngx.ctx)
    if not peer then
        return nil, err
    end
    return balancer.set_current_peer(peer.host, peer.port)
end

return routing
