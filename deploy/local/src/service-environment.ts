import { join } from 'node:path';
import { type LocalSecrets } from './local-secrets.js';
import { type Options } from './options.js';
import { type Ports } from './ports.js';

/** The six processes, in the order in which they start. */
export const SERVICES = ['tenants', 'events', 'compliance', 'dispatcher', 'ingress', 'api'] as const;
export type ServiceName = (typeof SERVICES)[number];

/** What a service's environment follows from. */
export interface ServiceEnvironmentInput {
  readonly service: ServiceName;
  readonly ports: Ports;
  readonly secrets: LocalSecrets;
  readonly databaseUrl: string;
  readonly natsUrl: string;
  readonly tls: { readonly certFile: string; readonly keyFile: string; readonly caFile: string };
  readonly options: Options;
}

const at = (port: number): string => `127.0.0.1:${port}`;

/** The environment of one service: only what it needs, so that no process sees a secret of another. */
export function serviceEnvironment({
  service,
  ports,
  secrets,
  databaseUrl,
  natsUrl,
  tls,
  options,
}: ServiceEnvironmentInput): NodeJS.ProcessEnv {
  const inherited = Object.fromEntries(
    ['PATH', 'HOME', 'TZ', 'NODE_OPTIONS', 'LOG_LEVEL', 'OTLP_ENDPOINT', 'TRACE_SAMPLE_RATIO'].flatMap(
      (name) => {
        const value = process.env[name];
        return value === undefined ? [] : [[name, value]];
      },
    ),
  );
  const stores = {
    DATABASE_URL: databaseUrl,
    DATABASE_PASSWORD_FILE: secrets.databasePasswordFile,
    NATS_URL: natsUrl,
  };
  const own: Record<ServiceName, NodeJS.ProcessEnv> = {
    tenants: {
      ...stores,
      GRPC_LISTEN: at(ports.tenants),
      HEALTH_LISTEN: at(ports.tenantsHealth),
      KEK_FILE: secrets.kekFile,
      OPERATOR_KEY_FILE: secrets.operatorKeyFile,
      AUDIT_CHECKPOINT_DIR: join(options.dataDir, 'audit-checkpoints'),
      PUBLIC_INGRESS_URL: `http://${at(ports.ingress)}`,
      ALLOW_LOOPBACK_DESTINATIONS: 'true',
    },
    events: {
      ...stores,
      GRPC_LISTEN: at(ports.events),
      HEALTH_LISTEN: at(ports.eventsHealth),
      ERASURE_JOURNAL_DIR: join(options.dataDir, 'erasure-journal'),
    },
    compliance: { ...stores, GRPC_LISTEN: at(ports.compliance), HEALTH_LISTEN: at(ports.complianceHealth) },
    dispatcher: {
      ...stores,
      GRPC_LISTEN: at(ports.dispatcher),
      HEALTH_LISTEN: at(ports.dispatcherHealth),
      PUBLIC_INGRESS_URL: `http://${at(ports.ingress)}`,
      ALLOW_LOOPBACK_DESTINATIONS: 'true',
    },
    ingress: {
      HTTP_LISTEN: at(ports.ingress),
      PUBLIC_INGRESS_URL: `http://${at(ports.ingress)}`,
      INGRESS_PROCESSES: String(options.ingressProcesses),
      ALLOW_LOOPBACK_DESTINATIONS: 'true',
    },
    api: { HTTP_LISTEN: at(ports.api), PUBLIC_INGRESS_URL: `http://${at(ports.ingress)}` },
  };
  return {
    ...inherited,
    NODE_ENV: 'production',
    TENANTS_ADDRESS: at(ports.tenants),
    EVENTS_ADDRESS: at(ports.events),
    COMPLIANCE_ADDRESS: at(ports.compliance),
    DISPATCHER_ADDRESS: at(ports.dispatcher),
    TLS_CERT_FILE: tls.certFile,
    TLS_KEY_FILE: tls.keyFile,
    TLS_CA_FILE: tls.caFile,
    ...own[service],
    ...options.serviceEnv.get(service),
  };
}
