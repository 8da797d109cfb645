import type { NatsLink } from '@posthorn/jetstream/nats-link.js';
import { wakeSubject } from '@posthorn/jetstream/subjects.js';

/** At most 20 a second. */
const PUBLISH_INTERVAL_MS = 50;
const SUBJECT = wakeSubject('events');

/** Lanes that have new events, up to this transaction. */
export interface Appended {
  readonly shards: ReadonlySet<number>;
  readonly xid: bigint;
}
type Listener = (appended: Appended | undefined) => void;

/**
 * Tells projectors that there is work: the one in this process at once, the others by a message that may get
 * lost. It says less than the truth, never more: a poll finds what no wake announced.
 */
export class Wake {
  private readonly listeners: Listener[] = [];
  private timer: NodeJS.Timeout | undefined;
  private isAnotherDue = false;

  constructor(private readonly link: Pick<NatsLink, 'publish' | 'subscribe'>) {}

  onApplicationBootstrap(): void {
    this.link.subscribe(SUBJECT, () => this.tell(undefined));
  }

  onApplicationShutdown(): void {
    clearTimeout(this.timer);
  }

  /** @param listener gets what was appended here, or undefined when any lane may have work. */
  onWake(listener: Listener): void {
    this.listeners.push(listener);
  }

  /** Called after a commit and after its answers: nothing may stand between those. */
  appended(shards: ReadonlySet<number>, xid: bigint): void {
    setImmediate(() => {
      this.tell({ shards, xid });
      this.publish();
    });
  }

  private tell(appended: Appended | undefined): void {
    for (const listener of this.listeners) listener(appended);
  }

  private publish(): void {
    if (this.timer !== undefined) {
      this.isAnotherDue = true;
      return;
    }
    this.isAnotherDue = false;
    this.link.publish(SUBJECT);
    this.timer = setTimeout(() => {
      this.timer = undefined;
      if (this.isAnotherDue) this.publish();
    }, PUBLISH_INTERVAL_MS);
  }
}
