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
} as const;

export type Config = ConfigOf<typeof CONFIG_SCHEMA>;

/** @throws AppError `config.invalid` that names every wrong variable. */
export const readConfig = (): Config => loadConfig(CONFIG_SCHEMA);
