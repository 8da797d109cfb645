import { Partitions } from '@posthorn/postgres/partitions.js';
import { KeepStatistics } from '@posthorn/postgres/statistics.js';
import { type Process } from '@posthorn/server/process.js';
import { provideFactory, provideValue } from '@posthorn/server/provide.js';
import { seatOf } from '@posthorn/server/seat.js';
import { type Config } from './config.js';
import { AppendDatabase, KeeperDatabase, ReaderDatabase, WorkerDatabase } from './persistence/databases.js';
import { verifyLogContinuity } from './persistence/log-continuity.js';
import { LogLeases } from './persistence/log-leases.js';
import { ROLES } from './persistence/roles.js';
import { EVENTS_SCHEMA } from './persistence/schema.js';

/** Less than ingress waits for: a statement that takes longer frees its lane and is answered as unknown. */
const APPEND_STATEMENT_TIMEOUT_MS = 1_200;

/** Refusals are rare, and what is too old can wait. */
const KEEPER_CONNECTIONS = 3;

/** The service's databases, one for each role, and what keeps their tables in shape. */
export function storeProviders({ config, clock, log, instanceId }: Process<Config>) {
  const database = {
    url: config.databaseUrl,
    passwordFile: config.databasePasswordFile,
    poolMax: config.databasePoolMax,
    applicationName: 'events',
    clock,
    verify: verifyLogContinuity,
  };
  const { schema } = EVENTS_SCHEMA;
  const append = { poolMax: config.appendLanes, statementTimeoutMs: APPEND_STATEMENT_TIMEOUT_MS };
  return [
    provideValue(AppendDatabase, new AppendDatabase({ ...database, ...append, role: ROLES.append })),
    provideValue(WorkerDatabase, new WorkerDatabase({ ...database, role: ROLES.worker, isKeyed: true })),
    provideValue(ReaderDatabase, new ReaderDatabase({ ...database, role: ROLES.reader })),
    provideValue(
      KeeperDatabase,
      new KeeperDatabase({ ...database, poolMax: KEEPER_CONNECTIONS, role: ROLES.keeper }),
    ),
    provideFactory(
      Partitions,
      (db: WorkerDatabase) => new Partitions(db, clock, log, schema),
      WorkerDatabase,
    ),
    provideFactory(
      KeepStatistics,
      (db: WorkerDatabase) => new KeepStatistics(db, log, schema),
      WorkerDatabase,
    ),
    provideFactory(
      LogLeases,
      (db: WorkerDatabase) =>
        new LogLeases(db, clock, log, { schema, instanceId, seat: seatOf(config.healthListen) }),
      WorkerDatabase,
    ),
  ];
}
