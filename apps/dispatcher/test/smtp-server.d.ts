/** The part that is used of a library without types of its own. */
declare module 'smtp-server' {
  import type { Server } from 'node:net';
  import type { Readable } from 'node:stream';
  type Done = (error: Error | null, answer?: object) => void;
  interface Session {
    readonly envelope: { readonly rcptTo: readonly { readonly address: string }[] };
  }
  interface Options {
    readonly authOptional: boolean;
    readonly disabledCommands: readonly string[];
    onAuth(
      auth: { readonly username: string; readonly password: string },
      session: Session,
      done: Done,
    ): void;
    onRcptTo(address: { readonly address: string }, session: Session, done: Done): void;
    onData(stream: Readable, session: Session, done: Done): void;
  }
  export class SMTPServer {
    constructor(options: Options);
    readonly server: Server;
    listen(port: number, host: string, done: () => void): void;
    close(done: () => void): void;
  }
}
