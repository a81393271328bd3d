//! The one hashing rule of runtime values.

use sha2::{Digest, Sha256};

const URL_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The first 12 characters of the URL-safe base64 of the value's SHA-256; empty stays empty.
pub fn hash(value: &str) -> String {
    if value.is_empty() {
        return String::new();
    }
    // Nine bytes are exactly twelve characters of six bits.
    Sha256::digest(value.as_bytes())[..9]
        .chunks_exact(3)
        .flat_map(|bytes| {
            let bits = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
            [18, 12, 6, 0].map(|shift| URL_ALPHABET[(bits >> shift & 63) as usize] as char)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn values_recorded_from_the_existing_project() {
        for (value, expected) in [
            ("", ""),
            ("rhel", "yqx1WBefoIAq"),
            ("8.9", "7RUYdckn49F8"),
            ("debian", "gdk3V0V_mIUj"),
            ("12", "a1HUMd9dfxQc"),
            ("Java", "wbpgzhNYZQOi"),
            ("17.0.7", "cAsoUDy8JFNV"),
            ("Red Hat, Inc.", "DzP5-GS6tDOQ"),
            ("Eclipse Adoptium", "C_ojtzmndKzM"),
            ("2.13.8.Final-redhat-00004", "lyAE7Oh63WPU"),
            ("Golang", "UOVueXxKyJ95"),
            ("Node.js", "H8DHhTMugPuT"),
            ("Python", "GIhfJ7WvkBLf"),
            ("GraalVM", "mjPGfOhcD0JI"),
            ("Quarkus", "zBVuVhrrC_vC"),
            ("Spring Boot", "jZqA-x3DCkbL"),
            ("Apache Tomcat", "5IjjS6fBvX9o"),
            ("WildFly", "WdnIPK_z93VZ"),
            ("Oracle Corporation", "CkLUdXmzzHZ9"),
        ] {
            assert_eq!(hash(value), expected, "hash of {value:?}");
        }
    }
}
