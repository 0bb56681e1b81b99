//! The cache's directory: files found by name, written whole or not at all, the longest unused deleted first.
//!
//! ```text
//! DIR/ab/abcdef….0    first specialisation with this key, last used at its modification time
//! DIR/ab/abcdef….1    the next, which assumes something else of the world
//! DIR/ab/.new-…       being written: renamed when it is complete
//! ```
//!
//! What is read will be executed, so the directory and the file must belong to this user (or root) and be writable
//! by nobody else, unless the user allows it.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Larger files are none of ours.
const MAX_FILE: u64 = 64 << 20;
/// A use is noted if the last one noted is longer ago.
const FRESH: Duration = Duration::from_secs(60);
/// What is not complete after this time never will be.
const ABANDONED: Duration = Duration::from_secs(3600);
/// Bytes written by this process after which it looks again how large the cache is.
const LOOK_AGAIN: u64 = 4 << 20;

/// Where specialisations are kept.
#[derive(Debug)]
pub struct Store {
    pub directory: PathBuf,
    /// Bytes.
    pub limit: u64,
    /// Others may write to the directory.
    pub shared: bool,
}

/// Why there is no cache.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("no directory for it: neither XDG_CACHE_HOME nor HOME is an absolute path")]
    Nowhere,
    #[error("{0} {1}; NUMLIFT_CACHE_SHARED=1 allows it")]
    Unsafe(String, &'static str),
    #[error("{0}: {1}")]
    Io(String, io::Error),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Problem + '_ {
    move |e| Problem::Io(path.display().to_string(), e)
}

/// A file of the cache.
#[derive(Debug)]
pub struct Entry {
    pub path: PathBuf,
    pub size: u64,
    pub used: SystemTime,
    complete: bool,
}

impl Store {
    /// The bytes of a file; `None` if it is not there, or is not to be trusted.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        self.trusted(&fs::symlink_metadata(&self.directory).ok()?).ok()?;
        let mut options = OpenOptions::new();
        options
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let mut file = options.open(self.path(name)).ok()?;
        let meta = file.metadata().ok()?;
        if !meta.is_file() || meta.len() > MAX_FILE || self.trusted(&meta).is_err() {
            return None;
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(meta.len() as usize + 1).ok()?;
        (&mut file).take(MAX_FILE).read_to_end(&mut bytes).ok()?;
        note_use(&file, &meta);
        Some(bytes)
    }

    /// Writes a file, whole or not at all.
    ///
    /// # Errors
    /// If the directory cannot be made or is not safe, or the file cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Problem> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let make = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
        make(&self.directory).map_err(at(&self.directory))?;
        let meta = fs::symlink_metadata(&self.directory).map_err(at(&self.directory))?;
        self.trusted(&meta)
            .map_err(|why| Problem::Unsafe(self.directory.display().to_string(), why))?;
        let path = self.path(name);
        let shard = path.parent().unwrap_or(&self.directory);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let new = shard.join(format!(".new-{}-{number}", std::process::id()));
        let written = make(shard)
            .and_then(|()| {
                let mut options = OpenOptions::new();
                options.write(true).create_new(true).mode(0o600);
                options.open(&new)?.write_all(bytes)
            })
            .and_then(|()| fs::rename(&new, &path));
        if let Err(e) = written {
            let _ = fs::remove_file(&new);
            return Err(at(&path)(e));
        }
        self.grown(bytes.len() as u64);
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name.get(..2).unwrap_or("00")).join(name)
    }

    /// Why something is not to be trusted.
    fn trusted(&self, meta: &Metadata) -> Result<(), &'static str> {
        // SAFETY: has no preconditions.
        let me = unsafe { libc::geteuid() };
        if self.shared {
            Ok(())
        } else if meta.uid() != me && meta.uid() != 0 {
            Err("belongs to another user")
        } else if meta.is_symlink() {
            Err("is a symbolic link")
        } else if meta.mode() & 0o022 != 0 {
            Err("is writable by others")
        } else {
            Ok(())
        }
    }

    /// Deletes the longest unused if there is too much: looked at when this process first writes, then now and then.
    fn grown(&self, bytes: u64) {
        static WRITTEN: AtomicU64 = AtomicU64::new(u64::MAX / 2);
        let written = WRITTEN.fetch_add(bytes, Ordering::Relaxed);
        if written >= LOOK_AGAIN.min(self.limit / 8) {
            WRITTEN.store(0, Ordering::Relaxed);
            self.evict();
        }
    }

    fn evict(&self) {
        let mut all = self.files();
        let now = SystemTime::now();
        let age = |e: &Entry| now.duration_since(e.used).unwrap_or_default();
        for e in all.iter().filter(|e| !e.complete && age(e) > ABANDONED) {
            let _ = fs::remove_file(&e.path);
        }
        all.retain(|e| e.complete);
        let mut total: u64 = all.iter().map(|e| e.size).sum();
        if total <= self.limit {
            return;
        }
        all.sort_by_key(|e| e.used);
        for e in all {
            if total <= self.limit / 4 * 3 {
                break;
            }
            if fs::remove_file(&e.path).is_ok() {
                total -= e.size;
            }
        }
    }

    /// The files that are complete.
    pub fn entries(&self) -> Vec<Entry> {
        let mut all = self.files();
        all.retain(|e| e.complete);
        all
    }

    /// Deletes all files of the cache and nothing else; how many.
    ///
    /// # Errors
    /// If one cannot be deleted.
    pub fn clear(&self) -> Result<usize, Problem> {
        let mut n = 0;
        for e in self.files() {
            match fs::remove_file(&e.path) {
                Ok(()) => n += usize::from(e.complete),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(at(&e.path)(error)),
            }
            if let Some(shard) = e.path.parent() {
                // the last file is the one that leaves it empty
                let _ = fs::remove_dir(shard);
            }
        }
        Ok(n)
    }

    fn files(&self) -> Vec<Entry> {
        let inside = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
        let shards = inside(&self.directory).filter(|d| d.file_name().len() == 2);
        let files = shards.flat_map(|d| inside(&d.path()));
        let entry = |f: fs::DirEntry| {
            let complete = is_ours(&f.file_name())?;
            let meta = f.metadata().ok().filter(Metadata::is_file)?;
            Some(Entry {
                path: f.path(),
                size: meta.len(),
                used: meta.modified().ok()?,
                complete,
            })
        };
        files.filter_map(entry).collect()
    }
}

/// Whether a file of this name is complete; `None`: it is not one of the cache.
fn is_ours(name: &OsStr) -> Option<bool> {
    let name = name.to_str()?;
    if name.starts_with(".new-") {
        return Some(false);
    }
    let (key, variant) = name.split_once('.')?;
    let hex = key.len() == 64 && key.bytes().all(|b| b.is_ascii_hexdigit());
    (hex && variant.len() == 1 && variant.bytes().all(|b| b.is_ascii_digit())).then_some(true)
}

fn note_use(file: &File, meta: &Metadata) {
    let now = SystemTime::now();
    let last = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    if now.duration_since(last).is_ok_and(|d| d > FRESH) {
        // on a read-only disk uses are not noted
        let _ = file.set_modified(now);
    }
}
