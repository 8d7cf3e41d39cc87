-- The tunnel by which packets came, where they came by one.
--
-- "index" says whose: a stream of a call has the index that it has in ringtap_rtp; -1 is a stream
-- without a call (as in ringtap_quality), -2 a call (its first message), -3 a request outside of
-- calls, -4 an attempt to register. Addresses are those of the outermost packets, NULL where the
-- tunnel has none.

CREATE TABLE ringtap_tunnel (
    ID integer NOT NULL, "index" integer NOT NULL, calldate datetime NOT NULL,
    type text NOT NULL, number integer NOT NULL, src blob, dst blob,
    PRIMARY KEY (ID, "index")
) WITHOUT ROWID;
