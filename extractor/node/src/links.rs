//! Pods by container, from the names of the links that the kubelet keeps in `/var/log/containers`.

use crate::cgroup::{ContainerId, ID_DIGITS};

/// Where a container belongs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The pod's name.
    pub pod: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The container's name in the pod.
    pub container: String,
}

/// Which container a link's name tells of: `<pod>_<namespace>_<container>-<64 hex digits>.log`. None for any other name.
pub fn parse(name: &[u8]) -> Option<(ContainerId, Place)> {
    let name = name.strip_suffix(b".log")?;
    let (rest, id) = name.split_at_checked(name.len().checked_sub(ID_DIGITS)?)?;
    let id = ContainerId::parse(id)?;
    let rest = std::str::from_utf8(rest.strip_suffix(b"-")?).ok()?;
    let mut parts = rest.split('_');
    let (pod, namespace, container) = (parts.next()?, parts.next()?, parts.next()?);
    let is_place = parts.next().is_none()
        && pod.len() <= 253
        && pod.split('.').all(is_label)
        && is_label(namespace)
        && namespace.len() <= 63
        && is_label(container)
        && container.len() <= 63;
    is_place.then(|| {
        let [pod, namespace, container] = [pod, namespace, container].map(str::to_owned);
        (
            id,
            Place {
                pod,
                namespace,
                container,
            },
        )
    })
}

fn is_label(text: &str) -> bool {
    let is_edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|byte| is_edge(*byte))
        && bytes.last().is_some_and(|byte| is_edge(*byte))
        && bytes.iter().all(|byte| is_edge(*byte) || *byte == b'-')
}

/// The containers that the links tell of, in the order of their IDs, and how many names were of no use.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Places {
    places: Vec<(ContainerId, Place)>,
    /// Names of another form, and IDs that two links claim for different places: nobody can tell which is right.
    pub refused: usize,
}

impl Places {
    /// Sorts the links; an ID that two of them place differently is left out.
    pub fn new(mut places: Vec<(ContainerId, Place)>, refused: usize) -> Self {
        places.sort_unstable();
        places.dedup();
        let is_doubted = |place: &(ContainerId, Place)| {
            let first = places.partition_point(|other| other.0 < place.0);
            places.get(first + 1).is_some_and(|next| next.0 == place.0)
        };
        let doubted: Vec<bool> = places.iter().map(is_doubted).collect();
        let count = doubted.iter().filter(|doubted| **doubted).count();
        let mut doubted = doubted.into_iter();
        places.retain(|_| !doubted.next().unwrap_or(false));
        Self {
            places,
            refused: refused + count,
        }
    }

    /// Keeps only the containers asked for.
    pub fn retain(&mut self, is_wanted: impl Fn(&ContainerId) -> bool) {
        self.places.retain(|(id, _)| is_wanted(id));
    }

    /// Where in the order the container stands; none when no link tells of it.
    pub fn index(&self, id: &ContainerId) -> Option<usize> {
        self.places.binary_search_by_key(id, |(id, _)| *id).ok()
    }

    /// The container at that index of the order.
    pub fn get(&self, index: usize) -> Option<&(ContainerId, Place)> {
        self.places.get(index)
    }

    /// How many containers there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "6b802b182bf29e003f532d3b40c440b66b802b182bf29e003f532d3b40c440b6";

    #[test]
    fn only_names_of_the_kubelets_form_count() {
        let long = "a".repeat(64);
        for (name, link, expected) in [
            (
                "plain",
                format!("web-0_shop_app-{A}.log"),
                Some(("web-0", "shop", "app")),
            ),
            (
                "a pod with dots",
                format!("etcd-node.example.org_kube-system_etcd-{A}.log"),
                Some(("etcd-node.example.org", "kube-system", "etcd")),
            ),
            (
                "dashes in the container's name",
                format!("p_n_a-b-c-{A}.log"),
                Some(("p", "n", "a-b-c")),
            ),
            ("another ending", format!("p_n_c-{A}.txt"), None),
            ("an ID that is too short", format!("p_n_c-{}.log", &A[1..]), None),
            ("an ID that is no ID", format!("p_n_c-{}.log", "z".repeat(64)), None),
            ("too few parts", format!("p_c-{A}.log"), None),
            ("too many parts", format!("p_n_c_d-{A}.log"), None),
            ("an empty part", format!("p__c-{A}.log"), None),
            ("no container", format!("p_n_-{A}.log"), None),
            ("a line break", format!("p\nx=y_n_c-{A}.log"), None),
            ("capital letters", format!("P_n_c-{A}.log"), None),
            ("a path", format!("../p_n_c-{A}.log"), None),
            ("a namespace that is too long", format!("p_{long}_c-{A}.log"), None),
            ("a label that ends in a dash", format!("p-_n_c-{A}.log"), None),
            ("only an ID", format!("{A}.log"), None),
            ("empty", String::new(), None),
        ] {
            let found = parse(link.as_bytes()).map(|(_, place)| place);
            let found = found
                .as_ref()
                .map(|p| (p.pod.as_str(), p.namespace.as_str(), p.container.as_str()));
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn a_container_that_two_links_place_differently_has_no_place() {
        let link =
            |pod: &str, last: char| parse(format!("{pod}_n_c-{}{last}.log", &A[..63]).as_bytes()).expect("a link");
        let places = Places::new(
            vec![
                link("x", '1'),
                link("b", '2'),
                link("a", '2'),
                link("y", '3'),
                link("y", '3'),
            ],
            1,
        );
        assert_eq!((places.len(), places.refused), (2, 3));
        assert_eq!(places.index(&link("a", '2').0), None);
        assert_eq!(places.index(&link("y", '3').0), Some(1));
        assert_eq!(places.get(1).map(|(_, place)| place.pod.as_str()), Some("y"));
    }

    #[test]
    fn containers_not_asked_for_are_forgotten() {
        let link = |last: char| parse(format!("p_n_c-{}{last}.log", &A[..63]).as_bytes()).expect("a link");
        let mut places = Places::new(vec![link('1'), link('2')], 0);
        places.retain(|id| *id == link('2').0);
        assert_eq!(
            (places.index(&link('1').0), places.index(&link('2').0)),
            (None, Some(0))
        );
    }
}
