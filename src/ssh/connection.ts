// The server of one SSH connection, over two byte streams and without a listening socket.
import type { Duplex, Readable, Writable } from 'node:stream';
import type { PublicKeyProof } from 'ssh2/lib/protocol/Protocol.js';
import { messageOf } from '../errors.ts';
import { joinStreams } from '../files/join-streams.ts';
import { printable } from '../printable.ts';
import type { SocketTarget } from '../protocol/forward.ts';
import { Channel, packetBytes, windowBytes } from './channel.ts';
import { CommandChannel } from './command-channel.ts';
import { Listeners } from './listeners.ts';
import { judge } from './proof.ts';
import type { SshServices } from './services.ts';
import {
  KexInit,
  type MessageHandlers,
  type OpenedChannel,
  type ParsedKey,
  Protocol,
  ready,
} from './ssh2.ts';

interface SshConnectionOptions {
  readonly input: Readable;
  readonly output: Writable;
  /** The host key of the server. */
  readonly hostKey: ParsedKey;
  /** The only key that the server accepts. */
  readonly userKey: ParsedKey;
  readonly services: SshServices;
  /** Called with the reason when the server ends the connection. */
  readonly onFault: (error: Error) => void;
}

/** Ciphers that are fast in Node; the connection never leaves this machine. */
const ciphers = ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes128-ctr', 'aes256-ctr'];
const macs = ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256'];
const exchanges = [
  ...['curve25519-sha256', 'curve25519-sha256@libssh.org', 'ecdh-sha2-nistp256'],
  // Sequence numbers are reset with new keys.
  'kex-strict-s-v00@openssh.com',
];

/** OpenSSH tells only an OpenSSH server when nobody reads the output of a command any more. */
const ident = 'OpenSSH_gomote';

const reasons = { disconnect: 11, prohibited: 1, failed: 2, unknown: 3 };

/** How many channels may be open at once. */
const channelLimit = 1_000;

type Opening = { opened(channel: Channel): void; refused(error: Error): void };

export class SshConnection {
  /** Resolves when the connection has ended. */
  readonly ended: Promise<void>;
  readonly #options: SshConnectionOptions;
  readonly #protocol: Protocol;
  readonly #channels = new Map<number, Channel>();
  readonly #commands = new Map<number, CommandChannel>();
  readonly #openings = new Map<number, Opening>();
  readonly #listeners: Listeners;
  #nextId = 0;
  #hasKeys = false;
  #isTrusted = false;
  #hasMoreSessions = true;
  #isOver = false;
  #end: () => void = () => undefined;

  constructor(options: SshConnectionOptions) {
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    const { input, output, hostKey, services } = options;
    const way = { cipher: ciphers, mac: macs, compress: ['none'], lang: [] };
    const protocol = new Protocol({
      server: true,
      hostKeys: { [hostKey.type]: hostKey },
      ident,
      offer: new KexInit({ kex: exchanges, serverHostKey: [hostKey.type], cs: way, sc: way }),
      onWrite: (data) => {
        if (output.writable) output.write(data);
      },
      onError: (error) => this.#fail(error),
      onHandshakeComplete: () => {
        this.#hasKeys = true;
      },
      messageHandlers: this.#handlers(),
    });
    this.#protocol = protocol;
    this.#listeners = new Listeners(protocol, services, (stream, from) =>
      this.#offer(stream, from),
    );
    input.on('end', () => this.close());
    input.on('close', () => this.close());
    input.on('error', () => this.close());
    output.on('error', () => this.close());
    input.pause();
    void ready.then(() => {
      protocol.start();
      input.on('data', (data: Buffer) => this.#take(data));
      input.resume();
    });
  }

  /** Ends the connection, with all channels and listeners. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const channel of this.#channels.values()) channel.cutOff();
    for (const { refused } of this.#openings.values()) refused(new Error('the client has gone'));
    this.#listeners.close();
    const { output } = this.#options;
    if (this.#hasKeys && output.writable) {
      try {
        this.#protocol.disconnect(reasons.disconnect);
      } catch {
        // The protocol object is unusable after a client error.
      }
    }
    this.#protocol.cleanup();
    this.#end();
  }

  #take(data: Buffer): void {
    if (this.#isOver) return;
    try {
      this.#protocol.parse(data, 0, data.length);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    if (this.#isOver) return;
    this.#options.onFault(error);
    this.close();
  }

  #handlers(): MessageHandlers {
    const of = (id: number) => this.#channels.get(id);
    return {
      DISCONNECT: () => this.close(),
      SERVICE_REQUEST: (protocol, name) => {
        if (this.#hasKeys && name === 'ssh-userauth') protocol.serviceAccept(name);
        else this.close();
      },
      USERAUTH_REQUEST: (_protocol, _user, service, method, data) =>
        this.#authenticate(service, method, data),
      GLOBAL_REQUEST: (_protocol, name, wantReply, data) => {
        if (name === 'no-more-sessions@openssh.com') this.#hasMoreSessions = false;
        this.#listeners.request(name, data, wantReply, this.#isTrusted);
      },
      CHANNEL_OPEN: (_protocol, opened) => void this.#open(opened),
      CHANNEL_OPEN_CONFIRMATION: (_protocol, { recipient, ...theirs }) => {
        const opening = this.#openings.get(recipient);
        if (opening === undefined) return;
        this.#openings.delete(recipient);
        opening.opened(this.#channel(recipient, theirs));
      },
      CHANNEL_OPEN_FAILURE: (_protocol, recipient, _reason, description) => {
        this.#openings.get(recipient)?.refused(new Error(`the client refused: ${description}`));
        this.#openings.delete(recipient);
      },
      CHANNEL_WINDOW_ADJUST: (_protocol, id, bytes) => of(id)?.widen(bytes),
      CHANNEL_DATA: (_protocol, id, data) => {
        if (of(id)?.receive(data) === false) this.#fail(new Error('more came than was allowed'));
      },
      CHANNEL_EOF: (_protocol, id) => of(id)?.receiveEnd(),
      CHANNEL_CLOSE: (_protocol, id) => of(id)?.receiveClose(),
      CHANNEL_REQUEST: (protocol, id, type, wantReply, data) => {
        const channel = of(id);
        if (channel === undefined || channel.isClosed) return;
        const command = this.#commands.get(id);
        const isGranted = command?.request(type, data) === true;
        if (wantReply && isGranted) protocol.channelSuccess(channel.clientId);
        else if (wantReply) protocol.channelFailure(channel.clientId);
        if (isGranted) command?.start(type, data);
      },
    };
  }

  #authenticate(service: string, method: string, data: unknown): void {
    const protocol = this.#protocol;
    if (!this.#hasKeys || service !== 'ssh-connection') this.close();
    else if (!this.#isTrusted) {
      const verdict = judge(this.#options.userKey, method, data);
      if (verdict === 'out') protocol.authFailure(['publickey'], false);
      if (verdict === 'known') {
        const { keyAlgo, key } = data as PublicKeyProof;
        protocol.authPKOK(keyAlgo, key);
      }
      if (verdict !== 'in') return;
      this.#isTrusted = true;
      protocol.authSuccess();
    }
  }

  async #open({ type, sender, data, ...theirs }: OpenedChannel): Promise<void> {
    const refuse = (reason: number, words: string) => {
      if (!this.#isOver) this.#protocol.channelOpenFail(sender, reason, words);
    };
    const accept = () => {
      const id = this.#nextId++;
      const channel = this.#channel(id, { sender, ...theirs });
      this.#protocol.channelOpenConfirm(sender, id, windowBytes, packetBytes);
      return { id, channel };
    };
    if (!this.#isTrusted || this.#channels.size >= channelLimit) {
      return refuse(reasons.prohibited, 'not now');
    }
    if (type === 'session' && this.#hasMoreSessions) {
      const { id, channel } = accept();
      const links = {
        protocol: this.#protocol,
        services: this.#options.services,
        openAgent: () => this.#openAgent(),
      };
      this.#commands.set(id, new CommandChannel(channel, links));
      return;
    }
    const target = targetOf(type, data);
    if (target === undefined) return refuse(reasons.unknown, `no channels of type ${type}`);
    try {
      const stream = await this.#options.services.connect(target);
      if (this.#isOver) stream.destroy();
      else void joinStreams(accept().channel, stream);
    } catch (error) {
      refuse(reasons.failed, printable(messageOf(error)));
    }
  }

  #channel(id: number, { sender, window, packetSize }: Omit<OpenedChannel, 'type' | 'data'>) {
    const channel = new Channel(this.#protocol, { id: sender, window, packetSize }, () => {
      this.#channels.delete(id);
      this.#commands.delete(id);
    });
    this.#channels.set(id, channel);
    return channel;
  }

  #openAgent(): Promise<Channel> {
    return this.#ask((id) => this.#protocol.openssh_authAgent(id, windowBytes, packetBytes));
  }

  /** Offers the client a connection that one of its listeners accepted. */
  #offer(stream: Duplex, from: SocketTarget): void {
    const offered = this.#ask((id) => {
      if (from.kind === 'unix') {
        const place = { socketPath: from.path };
        this.#protocol.openssh_forwardedStreamLocal(id, windowBytes, packetBytes, place);
      } else {
        const bound = { boundAddr: from.host, boundPort: from.port };
        const place = { ...bound, remoteAddr: '127.0.0.1', remotePort: 0 };
        this.#protocol.forwardedTcpip(id, windowBytes, packetBytes, place);
      }
    });
    stream.on('error', () => undefined);
    offered.then(
      (channel) => joinStreams(channel, stream),
      (error: Error) => stream.destroy(error),
    );
  }

  #ask(send: (id: number) => void): Promise<Channel> {
    return new Promise((opened, refused) => {
      if (this.#isOver || this.#channels.size >= channelLimit)
        return refused(new Error('the client takes no more channels'));
      const id = this.#nextId++;
      this.#openings.set(id, { opened, refused });
      send(id);
    });
  }
}

function targetOf(type: string, data: OpenedChannel['data']): SocketTarget | undefined {
  if (type === 'direct-tcpip') {
    return { kind: 'tcp', host: String(data.destIP), port: Number(data.destPort) };
  }
  return type === 'direct-streamlocal@openssh.com'
    ? { kind: 'unix', path: String(data.socketPath) }
    : undefined;
}
