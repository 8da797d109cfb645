import type { Metrics } from '@posthorn/server/metrics.js';
import { type DisableReason } from '../domain/destination-health.js';

const REASONS: readonly DisableReason[] = ['gone', 'failing'];

/** What this service measures of destinations that stay broken. */
export class DestinationMetrics {
  private readonly disabled;
  private readonly waiting;
  private readonly refused;

  constructor(metrics: Metrics) {
    this.disabled = metrics.counter({
      name: 'posthorn_destinations_disabled_total',
      help: 'Destinations that were disabled by the platform: gone (HTTP 410), failing (for days)',
      labels: ['reason'],
    });
    for (const reason of REASONS) this.disabled.inc({ reason }, 0); // so that a rate is there before the first
    this.waiting = metrics.gauge({
      name: 'posthorn_destination_reports_waiting',
      help: 'Destinations to be disabled that tenants does not know of yet; 0 where another process tells it',
    });
    this.refused = metrics.counter({
      name: 'posthorn_destination_reports_refused_total',
      help: 'Those that tenants refused for good',
    });
  }

  onDisabled(reason: DisableReason): void {
    this.disabled.inc({ reason });
  }

  setWaiting(reports: number): void {
    this.waiting.set(reports);
  }

  onRefusedReport(): void {
    this.refused.inc();
  }
}
