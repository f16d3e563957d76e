-- Types in braces are the dialect's (store/engines/dialect.py). Ids, cids and conversations compare byte by byte.
-- A statement ends with a semicolon at the end of a line. Each may be repeated after a crash in the middle.

CREATE TABLE IF NOT EXISTS meta (
    name {word} NOT NULL PRIMARY KEY,
    value {name} NOT NULL
) {clustered};

CREATE TABLE IF NOT EXISTS users (
    id {id} NOT NULL PRIMARY KEY,
    username {name} NULL,
    password {name} NULL,
    name {name} NOT NULL,
    avatar {url} NULL,
    bio {text} NULL,
    disabled {flag} NOT NULL,
    register_cid {id} NULL,
    password_cid {id} NULL,
    created {int} NOT NULL,
    CONSTRAINT username UNIQUE (username)
) {clustered};

CREATE TABLE IF NOT EXISTS sessions (
    id {id} NOT NULL PRIMARY KEY,
    user {id} NOT NULL,
    terminal {word} NOT NULL,
    device {name} NOT NULL,
    refresh_hash {key} NOT NULL,
    previous_hash {key} NULL,
    refresh_cid {id} NULL,
    issued {int} NOT NULL,
    expires {int} NOT NULL,
    revoked {int} NULL,
    CONSTRAINT refresh_hash UNIQUE (refresh_hash)
) {clustered};

CREATE INDEX sessions_user ON sessions (user);

CREATE INDEX sessions_previous_hash ON sessions (previous_hash);

-- The tail of a conversation is its last row: no other table holds its max seq. `counted` is the running count of
-- countable messages, this one included. `digest` is of the original request.
CREATE TABLE IF NOT EXISTS messages (
    conversation {conversation} NOT NULL,
    seq {int} NOT NULL,
    sender {id} NOT NULL,
    cid {id} NOT NULL,
    type {word} NOT NULL,
    body {text} NOT NULL,
    mentions {text} NULL,
    reply_to {int} NULL,
    time {int} NOT NULL,
    counted {int} NOT NULL,
    digest {digest} NOT NULL,
    PRIMARY KEY (conversation, seq),
    CONSTRAINT cid UNIQUE (sender, cid)
) {heap};

-- Also the list of a user's conversations.
CREATE TABLE IF NOT EXISTS cursors (
    user {id} NOT NULL,
    conversation {conversation} NOT NULL,
    read_seq {int} NOT NULL,
    delivered_seq {int} NOT NULL,
    PRIMARY KEY (user, conversation)
) {clustered};

CREATE INDEX cursors_conversation ON cursors (conversation);

CREATE TABLE IF NOT EXISTS mentions (
    user {id} NOT NULL,
    conversation {conversation} NOT NULL,
    seq {int} NOT NULL,
    PRIMARY KEY (user, conversation, seq)
) {clustered};

CREATE TABLE IF NOT EXISTS chat_groups (
    id {id} NOT NULL PRIMARY KEY,
    name {name} NOT NULL,
    avatar {url} NULL,
    notice {text} NULL,
    owner {id} NOT NULL,
    join_mode {word} NOT NULL,
    mute_all {flag} NOT NULL,
    created {int} NOT NULL,
    members {int} NOT NULL
) {clustered};

-- A member who left keeps the row, with left_seq the seq of the notice of it; NULL is a member.
CREATE TABLE IF NOT EXISTS members (
    chat_group {id} NOT NULL,
    user {id} NOT NULL,
    role {word} NOT NULL,
    joined_seq {int} NOT NULL,
    left_seq {int} NULL,
    muted_until {int} NOT NULL,
    PRIMARY KEY (chat_group, user)
) {clustered};

CREATE INDEX members_user ON members (user);

CREATE TABLE IF NOT EXISTS done (
    sender {id} NOT NULL,
    cid {id} NOT NULL,
    digest {digest} NOT NULL,
    reply {text} NOT NULL,
    time {int} NOT NULL,
    PRIMARY KEY (sender, cid)
) {heap};

CREATE TABLE IF NOT EXISTS attempts (
    name {key} NOT NULL PRIMARY KEY,
    count {int} NOT NULL,
    time {int} NOT NULL
) {clustered};

CREATE INDEX attempts_time ON attempts (time);
