-- The tables of the dispatch protocol (docs/ARCHITECTURE.md, "The protocol").
--
-- Why two tables per notification: the row that changes with every step (`notifications`) stays narrow, so that claims
-- and settles rewrite some 200 bytes instead of the content, and vacuum has little to clean. What never changes after
-- accept lives in `payloads`, which is only ever inserted into.
-- Why no foreign keys: all rows of a notification are written by one statement, so they cannot come apart, and a
-- reference would refuse a later retention by dropping partitions.
-- Why the CHECKs: an unfinished row always says when somebody must look at it again, and a claim always ends. A bug that
-- broke either would lose a notification silently; so the database refuses it.
-- Why timestamptz(3): JavaScript dates have milliseconds; a finer time would not survive the way into a cursor and back.
-- Why channels have no closed list here: channels become data later, a deploy must not need a table lock for one.
-- Indexes on time ascend and are read backwards: new entries then always go to the last page.

CREATE TABLE notifications (
  id uuid PRIMARY KEY,
  tenant text NOT NULL,
  channel text NOT NULL,
  priority smallint NOT NULL CHECK (priority BETWEEN 1 AND 3), -- 1 HIGH, 2 NORMAL, 3 LOW
  status text NOT NULL CHECK (status IN ('ACCEPTED', 'QUEUED', 'SENDING', 'SENT', 'FAILED', 'CANCELED')),
  generation int NOT NULL DEFAULT 0,
  attempt_count int NOT NULL DEFAULT 0,
  max_attempts int NOT NULL, -- the last allowed attempt NUMBER: a replay raises it
  publish_count smallint NOT NULL DEFAULT 0, -- releases since the last claim or defer: look again after 30 s * 2^n
  outcome_unknown boolean NOT NULL DEFAULT false, -- an attempt of this generation may have arrived
  lease_token int NOT NULL DEFAULT 0, -- the fence: every step that voids older copies raises it
  lease_owner text,
  lease_until timestamptz(3),
  due_at timestamptz(3), -- when somebody must look at the row again
  ready_at timestamptz(3) NOT NULL, -- since when the next attempt could have begun; publishing anew does not move it
  next_retry_at timestamptz(3), -- what clients see; set only between two attempts
  expires_at timestamptz(3) NOT NULL,
  reason text CHECK (reason IN ('permanent_error', 'retry_exhausted', 'expired', 'parked')),
  provider_message_id text,
  created_at timestamptz(3) NOT NULL,
  updated_at timestamptz(3) NOT NULL, -- of a finished row: when it finished
  CONSTRAINT unfinished_has_due CHECK ((due_at IS NULL) = (status IN ('SENT', 'FAILED', 'CANCELED'))),
  CONSTRAINT claim_has_end CHECK ((lease_until IS NOT NULL) = (status = 'SENDING')),
  CONSTRAINT failure_has_reason CHECK ((reason IS NOT NULL) = (status = 'FAILED')),
  CONSTRAINT due_before_expiry CHECK (due_at <= expires_at),
  CONSTRAINT retry_is_queued CHECK (next_retry_at IS NULL OR status = 'QUEUED'),
  CONSTRAINT budget_kept CHECK (attempt_count BETWEEN 0 AND max_attempts)
) WITH (
  -- A claim touches no indexed column: with room on its page it is a HOT update and writes no index entry. Every row is
  -- claimed soon, so every row needs room for its second version: at 50, 97 of 100 claims are HOT (at 85: 20), the log
  -- is a seventh shorter, and the table is no larger, since the second version has to lie somewhere anyway.
  fillfactor = 50,
  -- Every notification leaves two or three dead rows behind: clean after 2 % instead of 20 %.
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_analyze_scale_factor = 0.05
);

-- Lost publishes, schedules, retries: one index over unfinished rows only.
CREATE INDEX notifications_due ON notifications (channel, priority, due_at) WHERE due_at IS NOT NULL;
-- Expiry: a heap of overdue rows that may not be sent yet must not be searched for those whose time is over.
CREATE INDEX notifications_expiry ON notifications (channel, priority, expires_at) WHERE due_at IS NOT NULL;
CREATE INDEX notifications_list ON notifications (tenant, created_at, id);
-- FAILED rows are the dead letters. The predicate names `reason`, not `status`: an index that mentions `status` would
-- cost every claim its HOT update.
CREATE INDEX notifications_failed ON notifications (tenant, created_at, id) WHERE reason IS NOT NULL;

CREATE TABLE payloads (
  id uuid PRIMARY KEY,
  tenant text NOT NULL,
  batch_id uuid,
  correlation_id text NOT NULL,
  idempotency_key text,
  recipient text NOT NULL,
  content text NOT NULL,
  title text,
  html text,
  data jsonb CHECK (jsonb_typeof(data) = 'object'), -- a doubly encoded object would be a string
  provider text, -- the one connection that may send it
  tags text[] NOT NULL DEFAULT '{}',
  metadata jsonb CHECK (jsonb_typeof(metadata) = 'object'),
  traceparent text,
  scheduled_at timestamptz(3),
  max_retries int NOT NULL CHECK (max_retries >= 1), -- attempt budget of one generation
  created_at timestamptz(3) NOT NULL -- the same as in notifications: lists by recipient are read in order from one index
);

CREATE INDEX payloads_recipient ON payloads (tenant, recipient, created_at, id);
CREATE INDEX payloads_correlation ON payloads (tenant, correlation_id);
CREATE INDEX payloads_batch ON payloads (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX payloads_tags ON payloads USING gin (tags) WHERE tags <> '{}';

-- One row per attempt, written when it ends; changed only when a success arrives after its lease was lost.
CREATE TABLE attempts (
  notification_id uuid NOT NULL,
  number int NOT NULL CHECK (number >= 1), -- 1…n over all generations, without gaps
  generation int NOT NULL,
  outcome text NOT NULL CHECK (outcome IN
    ('ok', 'transient', 'rate_limited', 'quota_exhausted', 'config', 'permanent', 'unknown', 'abandoned')),
  late boolean NOT NULL DEFAULT false,
  provider text,
  connection text, -- which it went over
  connector text, -- `<id>@<version>` of that connection's connector
  rule text, -- of the connector, which read the answer
  status_code int,
  error_code text,
  error_message text,
  response_excerpt text,
  duration_ms int,
  next_retry_at timestamptz(3),
  finished_at timestamptz(3) NOT NULL,
  PRIMARY KEY (notification_id, number)
);

-- One row per CALL that made rows SENDING, with their ids, written by the same statement and deleted when its leases end:
-- so abandoned attempts are found without an index on the lease, which would cost every claim its HOT update, and without
-- a search among all that is overdue. Settles do not touch it.
CREATE TABLE claims (
  ends_at timestamptz(3) NOT NULL, -- the lease_until of its rows
  id bigint GENERATED ALWAYS AS IDENTITY,
  ids uuid[] NOT NULL CHECK (cardinality(ids) > 0),
  PRIMARY KEY (ends_at, id) -- the one index: the oldest first
) WITH (
  -- Rows live for one lease and are looked for at the end of the index where the dead ones lie. So clean at a number,
  -- whatever the table has grown to meanwhile: a fraction would let both grow with the rate.
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 1000,
  -- 500 ids in place, not compressed and not in a table of their own: they are written once and read once.
  toast_tuple_target = 8160
);

-- What the sweep still has to end: rows whose lease ended while they were SENDING under this token. Empty but for the
-- seconds after a worker vanished.
CREATE TABLE orphans (
  id uuid NOT NULL,
  lease_token int NOT NULL,
  PRIMARY KEY (id, lease_token)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Who holds a key, and for which body. A key whose time is over is taken over in place.
CREATE TABLE idempotency (
  tenant text NOT NULL,
  key text NOT NULL,
  body_hash text NOT NULL,
  notification_id uuid NOT NULL,
  expires_at timestamptz NOT NULL, -- infinity: for ever
  PRIMARY KEY (tenant, key)
);

-- Processes that work on queues; each writes its row every few seconds.
CREATE TABLE workers (
  id text PRIMARY KEY,
  role text NOT NULL,
  in_flight int NOT NULL,
  last_seen_at timestamptz(3) NOT NULL
) WITH (fillfactor = 50);

-- Called by accept when a key of a request with several items was taken by another body after the statement's snapshot:
-- the request is all or nothing, so nothing of the statement may stay. The caller knows the code and tries again.
CREATE FUNCTION refuse_late_conflict() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RAISE EXCEPTION 'an idempotency key was taken by another body at this moment' USING ERRCODE = 'DE001';
END
$$;
