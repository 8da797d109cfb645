import type { NatsLink } from './nats-link.js';

/** Tells a loop, in whichever process it runs, that there is work; a lost word costs one poll. */
export class WakeSignal {
  private readonly listeners: (() => void)[] = [];

  /** @param subject of `wakeSubject`. */
  constructor(
    private readonly link: Pick<NatsLink, 'publish' | 'subscribe'>,
    private readonly subject: string,
  ) {}

  onApplicationBootstrap(): void {
    this.link.subscribe(this.subject, () => this.tell());
  }

  onWake(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** Called after a commit. */
  committed(): void {
    this.tell();
    this.link.publish(this.subject);
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}
