import { type Metrics } from './metrics.js';

/** What `/health/ready` answers. */
export interface Readiness {
  readonly isReady: boolean;
  /** Name of the check → `ok`, or why not. */
  readonly checks: Record<string, string>;
}

const OK = 'ok';

/** Whether this process should get work. Live is whoever answers; ready is who passes every check. */
export class Health {
  private readonly checks = new Map<string, () => boolean | string>();
  private readonly drainListeners: (() => void)[] = [];
  private isDrainingNow = false;

  get isDraining(): boolean {
    return this.isDrainingNow;
  }

  /** @param check true = passes; false or a reason = does not. Cheap: it runs at every probe. */
  add(name: string, check: () => boolean | string): void {
    this.checks.set(name, check);
  }

  /** Not ready from now on, for good. Long-lived streams are told, so that they can end in order. */
  setDraining(): void {
    if (this.isDrainingNow) return;
    this.isDrainingNow = true;
    for (const listener of this.drainListeners) listener();
  }

  /** @param listener runs once, when the process starts to drain; at once when it does already. */
  onDraining(listener: () => void): void {
    if (this.isDrainingNow) listener();
    else this.drainListeners.push(listener);
  }

  readiness(): Readiness {
    const checks: Record<string, string> = {};
    if (this.isDrainingNow) checks['drain'] = 'draining';
    for (const [name, check] of this.checks) {
      try {
        const result = check();
        checks[name] = result === true ? OK : result === false ? 'not ready' : result;
      } catch {
        checks[name] = 'the check failed';
      }
    }
    return { isReady: Object.values(checks).every((result) => result === OK), checks };
  }
}

/** Shows every check as a metric, so that what a probe sees can be alerted on. */
export function measureHealth(metrics: Metrics, health: Health): void {
  metrics.readGauge(
    {
      name: 'posthorn_health_check_passes',
      help: 'Whether a check of readiness passes: 1, or 0',
      labels: ['check'],
    },
    () =>
      Object.entries(health.readiness().checks).map(([check, result]) => ({
        value: result === OK ? 1 : 0,
        labels: { check },
      })),
  );
}

/** Shows whether the broker is there. Nothing is lost without it, so no check of readiness asks. @returns the link. */
export function measuredBroker<L extends { readonly isConnected: boolean }>(metrics: Metrics, link: L): L {
  metrics.readGauge(
    { name: 'posthorn_broker_connected', help: 'Whether a connection to NATS is up: 1, or 0' },
    () => [{ value: Number(link.isConnected) }],
  );
  return link;
}
