import { type DestinationUnderTest, type TenantUnderTest } from '../checker/evidence.js';
import { type AdminClient } from '../house/admin-client.js';
import { type RunningPlatform } from '../house/running-platform.js';
import { type SourceTarget } from '../load/workload.js';
import { type TcpProxy } from '../proxy/tcp-proxy.js';
import { type Sink } from '../sink/sink.js';

const TENANTS = 3;
const FLAKY_SHARE = 0.02;

/** What a run needs and keeps between faults. */
export interface Stage {
  readonly platform: RunningPlatform;
  readonly proxy: TcpProxy;
  readonly sink: Sink;
}

/** Who takes part in one run. */
export interface Cast {
  readonly tenants: TenantUnderTest[];
  readonly sources: SourceTarget[];
  readonly destinations: DestinationUnderTest[];
}

/** New tenants, each with a source of both schemes and a destination; one also has a destination that fails at times. */
export async function createCast(
  { platform, sink }: { readonly platform: { readonly admin: AdminClient }; readonly sink: Sink },
  name: string,
): Promise<Cast> {
  const { admin } = platform;
  const cast: Cast = { tenants: [], sources: [], destinations: [] };
  for (let at = 0; at < TENANTS; at++) {
    const tenant = await admin.createTenant(`chaos-${name}-${at}`);
    cast.tenants.push(tenant);
    for (const provider of ['twilio', 'standard-webhooks'] as const)
      cast.sources.push(await admin.createSource(tenant.slug, provider));
    const ordering = at % 2 === 0 ? 'key' : 'none';
    cast.destinations.push(await admin.createDestination(tenant, sink, `${name}-${at}`, { ordering }));
  }
  const flaky = `${name}-flaky`;
  cast.destinations.push(await admin.createDestination(cast.tenants[0]!, sink, flaky, { ordering: 'key' }));
  sink.configure(flaky, { behaviour: { kind: 'flaky', status: 500, share: FLAKY_SHARE } });
  return cast;
}
