import { type ConfigOf, hostPort, integer, loadConfig, SERVER_CONFIG } from '@posthorn/server/config.js';
import { z } from 'zod';

const RATE_MAX = 100_000;

export const CONFIG_SCHEMA = {
  ...SERVER_CONFIG,
  httpListen: {
    env: 'HTTP_LISTEN',
    description: 'host:port of the REST API',
    default: '127.0.0.1:8080',
    parse: hostPort,
  },
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
  complianceAddress: {
    env: 'COMPLIANCE_ADDRESS',
    description: 'host:port of compliance',
    default: '127.0.0.1:9103',
    parse: hostPort,
  },
  dispatcherAddress: {
    env: 'DISPATCHER_ADDRESS',
    description: 'host:port of dispatcher',
    default: '127.0.0.1:9104',
    parse: hostPort,
  },
  publicIngressUrl: {
    env: 'PUBLIC_INGRESS_URL',
    description: 'where providers reach ingress; the API shows it in the URL of each source',
    default: 'http://127.0.0.1:8081',
    parse: z.url({ protocol: /^https?$/ }),
  },
  apiRatePerSecond: {
    env: 'API_RATE_PER_SECOND',
    description: 'requests a second that one key may make of one process',
    default: '200',
    parse: integer(1, RATE_MAX),
  },
  apiBurst: {
    env: 'API_BURST',
    description: 'requests that one key may make at once after a rest',
    default: '400',
    parse: integer(1, RATE_MAX),
  },
} as const;

export type Config = ConfigOf<typeof CONFIG_SCHEMA>;

/** The configuration of this process, from its environment. */
export const readConfig = (): Config => loadConfig(CONFIG_SCHEMA);
