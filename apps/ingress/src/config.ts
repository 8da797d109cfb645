import { type ConfigOf, hostPort, integer, loadConfig, SERVER_CONFIG } from '@posthorn/server/config.js';
import { z } from 'zod';

const PROCESSES_MAX = 64;
const RATE_MAX = 1_000_000;
const HOPS_MAX = 10;
const PROXIES_MAX = 256;

const addresses = z
  .string()
  .transform((text) =>
    text
      .split(',')
      .map((each) => each.trim())
      .filter((each) => each !== ''),
  )
  .pipe(z.array(z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()])).max(PROXIES_MAX));

export const CONFIG_SCHEMA = {
  ...SERVER_CONFIG,
  httpListen: {
    env: 'HTTP_LISTEN',
    description: 'host:port that providers post to, directly or through a proxy',
    default: '127.0.0.1:8081',
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
  publicIngressUrl: {
    env: 'PUBLIC_INGRESS_URL',
    description:
      'the origin by which providers reach this deployment; some of them sign it. Empty: what the request says',
    default: '',
    parse: z.union([z.literal(''), z.url({ protocol: /^https?$/ })]),
  },
  ingressProcesses: {
    env: 'INGRESS_PROCESSES',
    description: 'processes that share the port; one per core',
    default: '1',
    parse: integer(1, PROCESSES_MAX),
  },
  trustedProxies: {
    env: 'TRUSTED_PROXIES',
    description: 'addresses and CIDR ranges, separated by commas, whose X-Forwarded-* headers count',
    default: '',
    parse: addresses,
  },
  trustedProxyHops: {
    env: 'TRUSTED_PROXY_HOPS',
    description: 'how many proxies always stand in front, where their addresses are not known; 0 = none',
    default: '0',
    parse: integer(0, HOPS_MAX),
  },
  intakeRatePerSecond: {
    env: 'INTAKE_RATE_PER_SECOND',
    description: 'requests a second that one tenant may send',
    default: '50000',
    parse: integer(1, RATE_MAX),
  },
  intakeBurst: {
    env: 'INTAKE_BURST',
    description: 'requests that one tenant may send at once after a rest',
    default: '50000',
    parse: integer(1, RATE_MAX),
  },
} as const;

export type Config = ConfigOf<typeof CONFIG_SCHEMA>;

/** The configuration of this process, from its environment. */
export const readConfig = (): Config => loadConfig(CONFIG_SCHEMA);
