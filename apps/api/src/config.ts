import { type ConfigOf, loadConfig, SERVER_CONFIG } from '@posthorn/server/config.js';
import { z } from 'zod';

const SCHEMA = {
  ...SERVER_CONFIG,
  httpListen: {
    env: 'HTTP_LISTEN',
    description: 'host:port of the REST API',
    default: '127.0.0.1:8080',
    parse: z.string(),
  },
  tenantsAddress: {
    env: 'TENANTS_ADDRESS',
    description: 'host:port of tenants',
    default: '127.0.0.1:9101',
    parse: z.string(),
  },
  eventsAddress: {
    env: 'EVENTS_ADDRESS',
    description: 'host:port of events',
    default: '127.0.0.1:9102',
    parse: z.string(),
  },
  complianceAddress: {
    env: 'COMPLIANCE_ADDRESS',
    description: 'host:port of compliance',
    default: '127.0.0.1:9103',
    parse: z.string(),
  },
  dispatcherAddress: {
    env: 'DISPATCHER_ADDRESS',
    description: 'host:port of dispatcher',
    default: '127.0.0.1:9104',
    parse: z.string(),
  },
  publicIngressUrl: {
    env: 'PUBLIC_INGRESS_URL',
    description: 'where providers reach ingress; the API shows it in the URL of each source',
    default: 'http://127.0.0.1:8081',
    parse: z.url(),
  },
} as const;

export type Config = ConfigOf<typeof SCHEMA>;

/** The configuration of this process, from its environment. */
export const readConfig = (): Config => loadConfig(SCHEMA);
