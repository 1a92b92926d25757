// The shapes of the archive's files, as docs/format.md describes them. Types alone: no browser ever loads this.
// Readers ignore keys they do not know, so only what the page uses stands here.

/** @typedef {"video" | "image" | "audio" | "file"} Kind */

/** Where a channel was not read, and why. @typedef {{ from: string, to: string, why: string }} Hole */
/** @typedef {{ completeSince: string | null, fromStart: boolean, holes: Hole[] }} Coverage */

/**
 * A place as the manifest tells of it.
 *
 * @typedef {object} Channel
 * @property {string} id
 * @property {string} guildId
 * @property {string} name
 * @property {"text" | "voice" | "stage" | "announcement" | "forum" | "media"} kind
 * @property {string | null} category
 * @property {number} position
 * @property {number} entries
 * @property {string | null} newest
 * @property {string | null} index
 * @property {Coverage} coverage
 */

/**
 * `messages/manifest.json`
 *
 * @typedef {object} Manifest
 * @property {number} version
 * @property {number} generation
 * @property {string} publishedAt
 * @property {string} title
 * @property {"copy" | "link"} media
 * @property {{ entries: number, bytes: number, people: number }} totals
 * @property {string | null} users
 * @property {{ id: string, name: string }[]} guilds
 * @property {Channel[]} channels
 */

/** @typedef {{ id: string, name: string, entries: number }} Thread */
/** @typedef {{ path: string, count: number, newest: string, oldest: string }} ListedShard */

/** `messages/<channel id>/index-<hash>.json.gz` @typedef {{ channel: string, threads?: Thread[], shards: ListedShard[] }} IndexFile */

/**
 * A row of a shard: one piece of media in one message.
 *
 * @typedef {object} Row
 * @property {string} Id
 * @property {string | null} Attachment_id
 * @property {string} Discord_id
 * @property {string} channelId
 * @property {string} guildId
 * @property {string} posterId
 * @property {string} Poster
 * @property {string} Description
 * @property {string} Date
 * @property {string} Link_to_message
 * @property {string | null} Attachment_URL
 * @property {number | null} Expire_Timestamp
 * @property {string} Filename
 * @property {string} Extension
 * @property {Kind} Kind
 * @property {string | null} Content_type
 * @property {number | null} Size
 * @property {number | null} Width
 * @property {number | null} Height
 * @property {number | null} Runtime
 * @property {string | null} Placeholder
 * @property {string | null} Media
 * @property {string | null} Thumbnail
 * @property {boolean} Spoiler
 * @property {boolean} Nsfw
 * @property {string | null} Edited_at
 * @property {string} [Deleted_at] since when it is no longer on Discord, though it is kept here
 * @property {string | null} Gone
 */

/** `messages/<channel id>/<YYYY-MM>-<hash>.json.gz` @typedef {{ entries: Row[] }} ShardFile */

/** @typedef {{ name: string, avatar: string | null, bot: boolean }} Person */

/** `userData/users-<hash>.json.gz` @typedef {{ users: Record<string, Person> }} PeopleFile */

export {};
