import {
  type ConfigOf,
  DATABASE_CONFIG,
  GRPC_CONFIG,
  hostPort,
  integer,
  loadConfig,
  NATS_CONFIG,
  SERVER_CONFIG,
} from '@posthorn/server/config.js';
import { z } from 'zod';
import { MEDIA_BYTES_MAX } from './domain/media.js';

/** Every key of this service. */
export const CONFIG_SCHEMA = {
  ...SERVER_CONFIG,
  ...GRPC_CONFIG,
  ...DATABASE_CONFIG,
  ...NATS_CONFIG,
  tenantsAddress: {
    env: 'TENANTS_ADDRESS',
    description: 'host:port of the gRPC server of tenants',
    default: '127.0.0.1:9101',
    parse: hostPort,
  },
  complianceAddress: {
    env: 'COMPLIANCE_ADDRESS',
    description: 'host:port of compliance',
    default: '127.0.0.1:9103',
    parse: hostPort,
  },
  dispatcherAddress: {
    env: 'DISPATCHER_ADDRESS',
    description: 'host:port of the gRPC server of dispatcher',
    default: '127.0.0.1:9104',
    parse: hostPort,
  },
  appendLanes: {
    env: 'APPEND_LANES',
    description: 'transactions of intake at the same time',
    default: '2',
    parse: integer(1, 16),
  },
  erasureJournalDir: {
    env: 'ERASURE_JOURNAL_DIR',
    description:
      'directory, outside of the database and the same for every replica, for the erasures that a restored database must do again; empty: none are kept there',
    default: '',
    parse: z.string(),
  },
  natsReplicas: {
    env: 'NATS_REPLICAS',
    description: 'copies of the stream of facts in a NATS cluster',
    default: '1',
    parse: integer(1, 5),
  },
  mediaDeadlineSeconds: {
    env: 'MEDIA_DEADLINE_SECONDS',
    description:
      'how long after a message came its media are fetched; what could not be had by then is given up',
    default: '259200',
    parse: integer(1, 604_800),
  },
  mediaRetryBaseMs: {
    env: 'MEDIA_RETRY_BASE_MS',
    description:
      'the longest wait after a medium could not be fetched; each later one is twice as long, up to 30 min',
    default: '10000',
    parse: integer(1, 3_600_000),
  },
  mediaBytesMax: {
    env: 'MEDIA_BYTES_MAX',
    description: 'of one medium that is kept, whatever its tenant allows; larger ones are not',
    default: String(MEDIA_BYTES_MAX),
    parse: integer(1, MEDIA_BYTES_MAX),
  },
} as const;

export type Config = ConfigOf<typeof CONFIG_SCHEMA>;

/** @throws AppError `config.invalid` that names every wrong variable. */
export const readConfig = (): Config => loadConfig(CONFIG_SCHEMA);
