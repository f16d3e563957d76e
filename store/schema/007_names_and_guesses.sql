-- What is unique of a user name (protocol/usernames.py); accounts that were there get theirs by store/migrate.py.
ALTER TABLE users ADD COLUMN username_key {name} NULL;

CREATE UNIQUE INDEX username_key ON users (username_key);

-- Wrong guesses at passwords, by account, address and place (logic/handlers/people/guessing.py): `level` is how many in
-- thousandths, at `time`. `known`: somebody logged in from this place. The row is of no use after `ends`. By the clock of
-- the store, in ms.
CREATE TABLE IF NOT EXISTS guesses (
    name {key} NOT NULL PRIMARY KEY,
    level {int} NOT NULL,
    known {flag} NOT NULL,
    time {int} NOT NULL,
    ends {int} NOT NULL
) {clustered};

CREATE INDEX guesses_ends ON guesses (ends);
