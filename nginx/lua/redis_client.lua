-- The Redis client of the platform: OpenResty bundles it as resty.redis, Debian's lua-nginx-redis as nginx.redis.
local is_bundled, client = pcall(require, "resty.redis")
if is_bundled then
    return client
end
return require("nginx.redis")
