-- What events have made of a message: `changed` is the seq of the last one that is folded in.
ALTER TABLE messages ADD COLUMN changed {int} NULL;

ALTER TABLE messages ADD COLUMN recalled {flag} NULL;
