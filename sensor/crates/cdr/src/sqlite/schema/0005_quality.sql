-- Of streams, what the first version had no place for; of calls, what was the matter with media.
--
-- ID: of the call, and "index" that of its stream in ringtap_rtp; or of a stream without a call,
-- and "index" is -1. evidence: a line each, five fields with blanks between: UNIX microseconds,
-- packets lost, cause, what was seen, of how many. course: a line for each interval, eight numbers
-- with blanks between: begin in ms, received, lost, mean and greatest jitter in 10 µs, MOS times
-- 100 behind 50 ms, 200 ms and the adaptive buffer, 0 for none.

CREATE TABLE ringtap_quality (
    ID integer NOT NULL, "index" integer NOT NULL, calldate datetime NOT NULL,
    lost_sensor integer NOT NULL, lost_mirror integer NOT NULL, evidence text,
    encryption integer NOT NULL, gaps integer NOT NULL, stray integer NOT NULL,
    codec_changes integer NOT NULL, dscp integer NOT NULL, mos_scale text, mos_figures text,
    r_f1 real, path_ms real, half_trip_ms real, sender_reports integer NOT NULL,
    byes integer NOT NULL, xr_blocks integer, xr_mos_avg real, xr_mos_min real,
    xr_r_factor integer, xr_loss_rate integer, xr_discard_rate integer,
    xr_round_trip_ms integer, xr_end_system_ms integer, interval_ms integer NOT NULL, course text,
    PRIMARY KEY (ID, "index")
) WITHOUT ROWID;

ALTER TABLE ringtap_cdr ADD COLUMN media_marks integer NOT NULL DEFAULT 0;
