-- Writes that leave no event of their own leave their row in `messages`, in the conversation "~" that nobody reads: one
-- unique key (sender, cid) holds for all that a sender writes. `seq` is the time (ms) in its upper bits.
CREATE TABLE IF NOT EXISTS done (
    sender {id} NOT NULL,
    cid {id} NOT NULL,
    digest {digest} NOT NULL,
    reply {text} NOT NULL,
    time {int} NOT NULL,
    PRIMARY KEY (sender, cid)
) {heap};

INSERT INTO messages (conversation, seq, sender, cid, type, body, mentions, reply_to, time, counted, digest)
    SELECT '~', d.time * 1048576 + ROW_NUMBER() OVER (ORDER BY d.sender, d.cid), d.sender, d.cid, 'done', d.reply,
        NULL, NULL, d.time, 0, d.digest
    FROM done d
    WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.sender = d.sender AND m.cid = d.cid);

DROP TABLE IF EXISTS done;

-- A change of the password leaves a row as any other write does.
ALTER TABLE users DROP COLUMN password_cid;

-- What a write causes elsewhere: commands that are on their way until their own transaction takes the row away. `due`
-- (ms, by the clock of the store) is when it is sent again, `tries` how often that was done.
CREATE TABLE IF NOT EXISTS outbox (
    sender {id} NOT NULL,
    cid {id} NOT NULL,
    op {word} NOT NULL,
    routing_key {conversation} NOT NULL,
    data {text} NOT NULL,
    tries {int} NOT NULL,
    due {int} NOT NULL,
    PRIMARY KEY (sender, cid)
) {heap};

CREATE INDEX outbox_due ON outbox (due);

-- Work that one process of all does at a time: Until `ends` (ms, by the clock of the store) its
-- holder may go on.
CREATE TABLE IF NOT EXISTS leases (
    name {word} NOT NULL PRIMARY KEY,
    holder {name} NOT NULL,
    ends {int} NOT NULL
) {clustered};
