import type { CommandMetrics } from './command-metrics.js';
import type { StopTimes } from './lifecycle.js';
import type { LoadCommands } from './load-due.js';
import type { RecordCommands } from './record-commands.js';
import type { RelayOutgoing } from './relay-outgoing.js';
import type { RunCommands } from './run-commands.js';

const GAUGE_INTERVAL_MS = 1_000;

/** Ends commands in the order in which they flow: nothing more from the store, the wire, outcomes, the log. */
export class CommandLifecycle {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly due: LoadCommands,
    private readonly commands: RunCommands,
    private readonly record: RecordCommands,
    private readonly relay: RelayOutgoing,
    private readonly metrics: CommandMetrics,
    private readonly times: StopTimes,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.metrics.setDepths(this.commands.depths), GAUGE_INTERVAL_MS);
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.due.stop();
    await this.commands.stop(this.times.attemptsMs);
    const giveUp = setTimeout(() => this.record.stop(), this.times.outcomesMs);
    await this.record.flush();
    clearTimeout(giveUp);
    await this.relay.stop();
  }
}
