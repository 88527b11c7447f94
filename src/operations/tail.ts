import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** Where fs.watch does not work (no inotify left, network file system), the file is looked at this often (ms). */
const LOOK_EVERY = 100;
const CHUNK = 64 * 1024;
/** What was read and handed on needs no place on the disk: the file is emptied when it passes this (bytes). */
const EMPTY_AT = 64 * 1024 * 1024;
/** Of what comes faster than it can be read, so much of the end is handed on (bytes). */
const KEEP = 256 * 1024;

export interface TailOptions {
  onChunk(chunk: Buffer): void;
  /** The writer emptied the file itself, as `> /dev/stderr` does: what was not read yet is gone. */
  onEmptied(): void;
  /** The writer is faster than we read: so many bytes were left out, lest they fill the disk. */
  onSkipped(bytes: number): void;
  readonly emptyAt?: number;
}

/** Hands on what is appended to a file, as it comes. */
export class Tail {
  #position = 0;
  #reading: Promise<void> | undefined;
  #again = false;
  #watcher: FSWatcher | undefined;
  readonly #timer: NodeJS.Timeout;

  private constructor(
    readonly file: FileHandle,
    path: string,
    readonly options: TailOptions,
  ) {
    this.#timer = setInterval(() => this.#wake(), LOOK_EVERY);
    try {
      this.#watcher = watch(path, () => this.#wake());
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      // The timer does it alone.
    }
  }

  static async open(path: string, options: TailOptions): Promise<Tail> {
    return new Tail(await open(path, 'r+'), path, options);
  }

  /**
   * Reads what is there now, and ends. Somebody may keep the file open and go on writing (a daemon that the
   * program started): that is not waited for.
   */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    this.#watcher?.close();
    this.#again = false;
    await this.#reading;
    try {
      await this.#read((await this.file.stat()).size);
    } finally {
      await this.file.close();
    }
  }

  #wake(): void {
    if (this.#reading !== undefined) {
      this.#again = true;
      return;
    }
    this.#reading = this.#readAll()
      // A disk that cannot be read: what the file has is shown by the last read, or its error is.
      .catch(() => {})
      .finally(() => {
        this.#reading = undefined;
      });
  }

  async #readAll(): Promise<void> {
    do {
      this.#again = false;
      await this.#read(Number.POSITIVE_INFINITY);
    } while (this.#again);
    if (this.#position >= this.#emptyAt) await this.#empty();
  }

  get #emptyAt(): number {
    return this.options.emptyAt ?? EMPTY_AT;
  }

  async #empty(): Promise<void> {
    await this.file.truncate(0);
    this.#position = 0;
  }

  /** As far behind as the file may be large: only the end of it is read, for it may be the last that is said. */
  async #skip(size: number): Promise<void> {
    const from = Math.max(this.#position, size - KEEP);
    this.options.onSkipped(from - this.#position);
    this.#position = from;
    await this.#read(size);
    await this.#empty();
  }

  /** Up to `end`, or up to what there is. */
  async #read(end: number): Promise<void> {
    for (let chunks = 0; ; chunks += 1) {
      if (chunks % 16 === 0) {
        const { size } = await this.file.stat();
        if (size < this.#position) {
          this.#position = 0;
          this.options.onEmptied();
        }
        if (end === Number.POSITIVE_INFINITY && size - this.#position > this.#emptyAt) {
          await this.#skip(size);
          return;
        }
      }
      if (this.#position >= end) return;
      const { bytesRead, buffer } = await this.file.read(Buffer.allocUnsafe(CHUNK), 0, CHUNK, this.#position);
      if (bytesRead === 0) return;
      this.#position += bytesRead;
      this.options.onChunk(buffer.subarray(0, bytesRead));
    }
  }
}
