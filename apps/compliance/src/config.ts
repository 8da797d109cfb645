import {
  type ConfigOf,
  DATABASE_CONFIG,
  GRPC_CONFIG,
  hostPort,
  loadConfig,
  NATS_CONFIG,
  SERVER_CONFIG,
} from '@posthorn/server/config.js';

export const CONFIG_SCHEMA = {
  ...SERVER_CONFIG,
  ...GRPC_CONFIG,
  ...DATABASE_CONFIG,
  ...NATS_CONFIG,
  tenantsAddress: {
    env: 'TENANTS_ADDRESS',
    description: 'host:port of tenants',
    default: '127.0.0.1:9101',
    parse: hostPort,
  },
  eventsAddress: {
    env: 'EVENTS_ADDRESS',
    description: 'host:port of events',
    default: '127.0.0.1:9102',
    parse: hostPort,
  },
} as const;

export type Config = ConfigOf<typeof CONFIG_SCHEMA>;

/** The configuration of this process, from its environment. */
export const readConfig = (): Config => loadConfig(CONFIG_SCHEMA);
