-- Connections to providers, and the routes over them. Few rows, written by people, read whole by every process.
--
-- One number for all of it, `connection_revision`: every write raises it, so a process knows from one small read
-- whether anything changed. It is also the fence of the writes: a write names the revision its checks were made
-- against and does nothing when that has passed, so what holds between rows (a route names only connections that
-- exist, an id is free) needs no transaction and no foreign key. A foreign key could not say it anyway: connections may
-- be kept in a file. A row and not a sequence: its lock makes the order of the numbers the order of the commits.
-- Why no closed list of channels, as in `notifications`: they are data.

CREATE TABLE connection_revision (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), -- a second row would be a second truth
  revision int NOT NULL
);
INSERT INTO connection_revision (revision) VALUES (1);

CREATE TABLE connections (
  id text PRIMARY KEY,
  connector text NOT NULL, -- `<id>@<version>`
  channel text NOT NULL,
  -- As objects: a doubly encoded one would be a string, and every process would stumble over it at its start.
  config jsonb NOT NULL CHECK (jsonb_typeof(config) = 'object'), -- without secrets
  secrets jsonb NOT NULL CHECK (jsonb_typeof(secrets) = 'object'), -- field -> sealed text, bound to id and field
  enabled boolean NOT NULL,
  revision int NOT NULL, -- of the write
  created_at timestamptz(3) NOT NULL,
  updated_at timestamptz(3) NOT NULL
);

-- Apart from the connections: those of a file can be paused too, and a pause is no change of the configuration.
CREATE TABLE connection_pauses (
  connection_id text PRIMARY KEY,
  code text NOT NULL,
  reason text NOT NULL,
  paused_at timestamptz(3) NOT NULL
);

CREATE TABLE routes (
  channel text NOT NULL,
  tag text NOT NULL, -- '' = every notification of the channel without a route of its own: a key cannot hold NULL
  tiers jsonb NOT NULL CHECK (jsonb_typeof(tiers) = 'array'), -- a route that is no list of tiers would send nothing, silently
  try_timeout_ms int CHECK (try_timeout_ms > 0), -- 0 would fail every try before it begins
  total_timeout_ms bigint CHECK (total_timeout_ms > 0),
  revision int NOT NULL,
  created_at timestamptz(3) NOT NULL,
  updated_at timestamptz(3) NOT NULL,
  PRIMARY KEY (channel, tag)
);
