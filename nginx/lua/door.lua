-- The phases that nginx.conf calls. Whatever fails in one is written here, and not by ngx.log: that would add the request
-- line with its query, and a query may hold a session.

local discovery = require("discovery")
local failures = require("failures")
local gateways = require("gateways")
local routing = require("routing")

local door = {}

-- Run a phase, which returns true, or nil and why not. `status` is what the client gets then.
local function guarded(phase, status)
    return function()
        local ran, ok, err = xpcall(phase, debug.traceback)
        if ran and ok then
            return
        end
        io.stderr:write(ngx.localtime(), " [error] the door: ", tostring(ran and err or ok), "\n")
        return ngx.exit(status)
    end
end

door.connection = guarded(routing.connection, ngx.HTTP_INTERNAL_SERVER_ERROR)
door.call = guarded(routing.call, ngx.HTTP_INTERNAL_SERVER_ERROR)
door.poll = guarded(routing.poll, ngx.HTTP_INTERNAL_SERVER_ERROR)
door.balance = guarded(routing.balance, ngx.HTTP_BAD_GATEWAY)
door.gateway_failed = guarded(failures.answer, ngx.HTTP_INTERNAL_SERVER_ERROR)

-- The content of /healthz: 200 once the gateways were asked for.
function door.health()
    if not gateways.is_known() then
        return ngx.exec("/_refused/busy")
    end
    ngx.print('{"name":"nginx","ok":true}')
end

-- In each worker as it starts. `redis` is {host, port, password, prefix}.
function door.start(redis)
    math.randomseed(ngx.worker.pid() + ngx.now() * 1000)
    local ok, err = discovery.start(redis)
    if not ok then
        ngx.log(ngx.ERR, "no gateway will be found: ", err)
    end
end

return door
