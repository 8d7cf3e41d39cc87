-- The parties of a call by P-Asserted-Identity or Remote-Party-ID, if they had one.

CREATE TABLE ringtap_asserted (
    cdr_ID INTEGER PRIMARY KEY, calldate datetime NOT NULL, caller text, called text
);
