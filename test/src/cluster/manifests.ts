import { type ClusterArguments } from './arguments.js';

/** What stands in the URLs that providers were given; requests go to the Service all the same, as behind a gateway. */
const PUBLIC_URL = 'https://hooks.example.com';
const SERVICES = ['ingress', 'api', 'tenants', 'events', 'compliance', 'dispatcher'] as const;
/** For a machine that also sends, receives and judges; limits are the chart's. */
const REQUESTS = { cpu: '20m', memory: '96Mi' };

/** Every image that a run needs. */
export const imagesOf = ({ repository, from, to, postgres, nats }: ClusterArguments): string[] => [
  ...[from, to].flatMap((tag) => SERVICES.map((service) => `${repository}/${service}:${tag}`)),
  postgres,
  nats,
];

/** Values of the chart for one version. */
export function valuesOf({ repository, postgres, nats }: ClusterArguments, tag: string): object {
  const services = SERVICES.map((name) => [name, { resources: { requests: REQUESTS } }] as const);
  return {
    image: { repository, tag },
    publicIngressUrl: PUBLIC_URL,
    // A fixed number of pods: which one dies is the run's to say.
    autoscaling: { enabled: false },
    evaluation: {
      enabled: true,
      postgres: { image: postgres, storage: '2Gi' },
      nats: { image: nats, storage: '1Gi' },
    },
    services: {
      ...Object.fromEntries(services),
      dispatcher: {
        resources: { requests: REQUESTS },
        env: {
          // The receiver's certificate is of the authority of the services.
          NODE_EXTRA_CA_CERTS: '/etc/posthorn/tls/ca.crt',
          // The waits after failures are what a run would spend most of its time with.
          RETRY_BASE_MS: '500',
        },
      },
    },
  };
}

/** A namespace in which nothing may run that Pod Security "restricted" refuses. */
export const namespaceOf = (name: string): object => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
});

/** A pod that does nothing, for commands to be run in. */
export const restrictedPod = (
  name: string,
  image: string,
  labels: Readonly<Record<string, string>> = {},
): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels },
  spec: {
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 1,
    securityContext: { runAsNonRoot: true, runAsUser: 10_001, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        name: 'probe',
        image,
        imagePullPolicy: 'IfNotPresent',
        command: ['node', '--eval', 'setInterval(() => {}, 1e9)'],
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
      },
    ],
  },
});
