-- A refresh token has one successor, which derives from it: `refresh_hash` is of the first token of the session, with
-- which all others begin, `newest_hash` of the newest (NULL: that is the first), `rotated` when the last ones came to be
-- (JSON, ms). A token of before is the first of its session now, and so goes on.
ALTER TABLE sessions ADD COLUMN newest_hash {key} NULL;

ALTER TABLE sessions ADD COLUMN rotated {text} NULL;

DROP INDEX sessions_previous_hash {on} sessions;

ALTER TABLE sessions DROP COLUMN previous_hash;

ALTER TABLE sessions DROP COLUMN refresh_cid;

-- A registration leaves a row of its own under its cid, as any other write does.
ALTER TABLE users DROP COLUMN register_cid;
