import type { NatsLink } from '@posthorn/jetstream/nats-link.js';
import { wakeSubject } from '@posthorn/jetstream/subjects.js';

const SUBJECT = wakeSubject('dispatcher.outgoing');

/** Tells the relay, wherever it runs, that there is something to relay; a lost word costs one poll. */
export class RelayWake {
  private readonly listeners: (() => void)[] = [];

  constructor(private readonly link: Pick<NatsLink, 'publish' | 'subscribe'>) {}

  onApplicationBootstrap(): void {
    this.link.subscribe(SUBJECT, () => this.tell());
  }

  onWake(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** Called after a commit. */
  committed(): void {
    this.tell();
    this.link.publish(SUBJECT);
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}
