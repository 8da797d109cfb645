import {
  boolean,
  type ConfigOf,
  hostPort,
  integer,
  loadConfig,
  SERVER_CONFIG,
} from '@posthorn/server/config.js';
import { z } from 'zod';

const PROCESSES_MAX = 64;
const RATE_MAX = 1_000_000;
const HOPS_MAX = 10;
const PROXIES_MAX = 256;
const DELAY_MS_MAX = 60_000;

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
    description: 'processes that share the port; one for each core that nothing else uses',
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
  clientCertificateHeader: {
    env: 'INGRESS_CLIENT_CERTIFICATE_HEADER',
    description:
      'the header in which trusted proxies hand on the certificate of a client; they must set or remove it on every request. Empty: none',
    default: '',
    parse: z
      .string()
      .regex(/^[A-Za-z0-9-]{0,64}$/, 'must be the name of a header')
      .toLowerCase(),
  },
  intakeTlsCertFile: {
    env: 'INTAKE_TLS_CERT_FILE',
    description:
      'certificate chain of the port that providers post to, PEM, reloaded when it changes: the port, health and metrics included, then speaks TLS 1.2 and newer. Empty: plain HTTP, for a proxy that ends TLS',
    default: '',
    parse: z.string(),
  },
  intakeTlsKeyFile: {
    env: 'INTAKE_TLS_KEY_FILE',
    description: 'private key of that certificate, PEM',
    default: '',
    parse: z.string(),
  },
  intakeClientCaFile: {
    env: 'INTAKE_CLIENT_CA_FILE',
    description: 'authorities of client certificates, PEM; clients are then asked for one, and may have none',
    default: '',
    parse: z.string(),
  },
  allowLoopbackKeys: {
    env: 'ALLOW_LOOPBACK_DESTINATIONS',
    description:
      'lets the keys that senders publish be fetched from this machine; for the local platform only',
    default: 'false',
    parse: boolean,
  },
  loopDelayMsMax: {
    env: 'INTAKE_LOOP_DELAY_MS_MAX',
    description:
      'how late the event loop may be, twice in a row, before requests are asked to come again later; 0 = never',
    default: '500',
    parse: integer(0, DELAY_MS_MAX),
  },
  intakeRatePerSecond: {
    env: 'INTAKE_RATE_PER_SECOND',
    description: 'requests a second that one tenant may send, unless it has a quota of its own',
    default: '50000',
    parse: integer(1, RATE_MAX),
  },
  intakeBurst: {
    env: 'INTAKE_BURST',
    description: 'requests that one tenant may send at once after a rest, unless it has a quota of its own',
    default: '50000',
    parse: integer(1, RATE_MAX),
  },
} as const;

export type Config = ConfigOf<typeof CONFIG_SCHEMA>;

/** The configuration of this process, from its environment. */
export const readConfig = (): Config => loadConfig(CONFIG_SCHEMA);
