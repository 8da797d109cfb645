/** The services from the stores outwards: who is asked comes before who asks, the front door last. */
const OUTWARDS = ['tenants', 'compliance', 'events', 'dispatcher', 'api', 'ingress'] as const;
export const MIGRATED = ['tenants', 'events', 'compliance', 'dispatcher'] as const;

export type ServiceName = (typeof OUTWARDS)[number];
export type Version = 'old' | 'new';

/** All six services moved to one version, one after the other, under load. */
export interface Phase {
  readonly id: string;
  readonly title: string;
  readonly to: Version;
  /** Whether the schemas of the version come first, while every service is still the other one. */
  readonly isSchemaFirst: boolean;
  readonly order: readonly ServiceName[];
}

/** Up, back on the newer schema, and up the other way round: each neighbour meets each other in both versions. */
export const PHASES: readonly Phase[] = [
  { id: 'U1', title: 'up, stores first', to: 'new', isSchemaFirst: true, order: OUTWARDS },
  { id: 'U2', title: 'back, ingress first', to: 'old', isSchemaFirst: false, order: OUTWARDS.toReversed() },
  { id: 'U3', title: 'up, ingress first', to: 'new', isSchemaFirst: false, order: OUTWARDS.toReversed() },
];

/** Which version each service runs after each step of the phases, the start (all old) first. */
export function mixturesOf(phases: readonly Phase[]): Readonly<Record<ServiceName, Version>>[] {
  const start: Record<string, Version> = Object.fromEntries(OUTWARDS.map((name) => [name, 'old']));
  const mixtures = [start];
  for (const { to, order } of phases)
    for (const service of order) mixtures.push({ ...mixtures.at(-1)!, [service]: to });
  return mixtures as Record<ServiceName, Version>[];
}
